using ConcertBooking.Tests.Chaos;

namespace ConcertBooking.Tests.Support;

/// <summary>A test that waits for ever fails by its name, where it would stop the run: more time than any test takes.</summary>
public static class TimeLimits
{
    /// <summary>What chaos is asked to take comes on top.</summary>
    [Before(TestDiscovery)]
    public static void Set(BeforeTestDiscoveryContext context)
    {
        var chaos = ChaosRun.Setting("CHAOS_RUNS", 1) * TimeSpan.FromSeconds(ChaosRun.Setting("CHAOS_SECONDS", 60));
        context.Settings.Timeouts.DefaultTestTimeout = TimeSpan.FromMinutes(10) + (2 * chaos);
        context.Settings.Timeouts.DefaultHookTimeout = TimeSpan.FromMinutes(5);
    }
}
