using ConcertBooking.Tests.Chaos;

namespace ConcertBooking.Tests.Support;

/// <summary>The limits of a run of the tests.</summary>
public static class RunLimits
{
    [Before(TestDiscovery)]
    public static void Set(BeforeTestDiscoveryContext context)
    {
        // Most tests wait: for servers, for events, or, with a parallel limit, for each other.
        context.Settings.Parallelism.MaximumParallelTests = 3 * Environment.ProcessorCount;

        // More than any test takes: one that waits for ever fails by its name, where it would stop the run. Chaos takes as long as it
        // is asked to.
        var chaos = ChaosRun.Setting("CHAOS_RUNS", 1) * TimeSpan.FromSeconds(ChaosRun.Setting("CHAOS_SECONDS", 60));
        context.Settings.Timeouts.DefaultTestTimeout = TimeSpan.FromMinutes(10) + (2 * chaos);
        context.Settings.Timeouts.DefaultHookTimeout = TimeSpan.FromMinutes(5);
    }
}
