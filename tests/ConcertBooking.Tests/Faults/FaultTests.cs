using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>Servers that may be broken: started for these tests alone.</summary>
public sealed class BreakableRig() : Rig(new ServerOptions { AllowNamed = false });

/// <summary>
/// Tests that break servers or instances. They share one set of servers and run one after another, each leaving the
/// servers as it found them; tests on other servers run beside them.
/// </summary>
[NotInParallel(nameof(BreakableRig))]
public abstract class FaultTests
{
    [ClassDataSource<BreakableRig>(Shared = SharedType.PerTestSession)]
    public required BreakableRig Rig { get; init; }

    [After(Test)]
    public async Task RestoreAsync()
    {
        await Rig.Servers.MySql.StartAsync();
        await Rig.Servers.Redis.StartAsync();
        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            await Eventually.GetAsync(
                () => instance.Api.GetAsync("/readyz"),
                ready => ready.Status == 200 && ready.Json.GetProperty("checks").Value("redis") == "up");
        }
    }
}
