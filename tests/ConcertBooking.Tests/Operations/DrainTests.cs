using System.Diagnostics;
using System.Runtime.InteropServices;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Operations;

/// <summary>SIGTERM: readiness goes first, nothing that was accepted is lost, and the end comes soon.</summary>
public sealed class DrainTests : SharedRigTests
{
    private static readonly TimeSpan s_promised = TimeSpan.FromSeconds(10);

    [Test]
    [Arguments(PosixSignal.SIGTERM)]
    [Arguments(PosixSignal.SIGINT)]
    public async Task Signal_RequestInFlight_IsAnsweredAfterReadinessWent(PosixSignal signal)
    {
        await using var instance = await Rig.StartAsync();
        var visitor = Rig.NewVisitor(instance);
        (await visitor.ChargeAsync(1)).Expect(201);
        var balance = await Rig.Database.LockBalanceAsync(visitor.UserId);
        var inFlight = visitor.ChargeAsync(5);
        var started = Stopwatch.GetTimestamp();

        instance.Process.Signal(signal);

        var unready = await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 503, TimeSpan.FromSeconds(1));
        await Assert.That(unready.Value("status")).IsEqualTo("unready");
        (await instance.Api.GetAsync("/livez")).Expect(200);
        (await instance.Api.GetAsync("/v1/concerts")).Expect(200);
        await balance.DisposeAsync();
        (await inFlight).Expect(201);
        await Assert.That(await instance.Process.WaitForExitAsync()).IsEqualTo(0);
        await Assert.That(Stopwatch.GetElapsedTime(started)).IsLessThan(s_promised);
    }

    [Test]
    public async Task Sigterm_UnderTraffic_LosesNoRequest()
    {
        await using var instance = await Rig.StartAsync();
        var answered = 0;
        async Task AskUntilGoneAsync()
        {
            var visitor = Rig.NewVisitor(instance);
            while (true)
            {
                try
                {
                    (await visitor.ChargeAsync(1)).Expect(201);
                    Interlocked.Increment(ref answered);
                }
                catch (HttpRequestException refused) when (refused.HttpRequestError == HttpRequestError.ConnectionError)
                {
                    return;
                }
            }
        }
        var clients = Enumerable.Range(0, 4).Select(_ => AskUntilGoneAsync()).ToList();
        await Eventually.TrueAsync(() => Volatile.Read(ref answered) > 20, TimeSpan.FromSeconds(10));
        var started = Stopwatch.GetTimestamp();

        instance.Process.Signal(PosixSignal.SIGTERM);

        await Task.WhenAll(clients);
        await Assert.That(await instance.Process.WaitForExitAsync()).IsEqualTo(0);
        await Assert.That(Stopwatch.GetElapsedTime(started)).IsLessThan(s_promised);
    }
}
