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
public abstract class FaultTests : RestoringTests
{
    [ClassDataSource<BreakableRig>(Shared = SharedType.PerTestSession)]
    public required override BreakableRig Rig { get; init; }
}

/// <summary>The same on a second set of servers, so that the two run beside each other.</summary>
[NotInParallel(nameof(RedisFaultTests))]
public abstract class RedisFaultTests : RestoringTests
{
    [ClassDataSource<BreakableRig>(Shared = SharedType.Keyed, Key = nameof(RedisFaultTests))]
    public required override BreakableRig Rig { get; init; }
}

/// <summary>Waits after each test until the servers and the instances are as it found them.</summary>
public abstract class RestoringTests
{
    public abstract BreakableRig Rig { get; init; }

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
