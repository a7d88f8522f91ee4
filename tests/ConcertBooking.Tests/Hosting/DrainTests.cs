using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Hosting;

/// <summary>SIGTERM: readiness goes first, nothing that was accepted is lost, and the end comes soon.</summary>
public sealed class DrainTests : SharedRigTests
{
    /// <summary>A drain that no machine is too slow to look at.</summary>
    private const string Long = "60";

    private static readonly TimeSpan Promised = Eventually.Promised(seconds: 10);

    [Test]
    [Arguments(PosixSignal.SIGTERM)]
    [Arguments(PosixSignal.SIGINT)]
    public async Task Signal_RequestInFlight_IsAnsweredAfterReadinessFailed(PosixSignal signal)
    {
        await using var instance = await Rig.StartAsync(new Dictionary<string, string?> { ["Drain__Seconds"] = Long });
        var visitor = Rig.NewVisitor(instance);
        (await visitor.ChargeAsync(1)).Expect(201);
        var balance = await Rig.Database.LockBalanceAsync(visitor.UserId);
        var inFlight = visitor.ChargeAsync(5);

        instance.Process.Signal(signal);

        var unready = await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 503);
        await Assert.That(unready.Value("status")).IsEqualTo("unready");
        (await instance.Api.GetAsync("/livez")).Expect(200);
        (await instance.Api.GetAsync("/v1/concerts")).Expect(200);
        await balance.DisposeAsync();
        await Assert.That((await inFlight).Status).IsIn([201, 503]); // 503 where the row was locked for longer than a request waits
    }

    [Test]
    public Task Sigterm_RequestStillArriving_IsAnsweredAfterThePortIsClosed() => Eventually.InTimeAsync(
        TimeSpan.FromSeconds(5), async clock => // for which Kestrel waits for the rest of a body
    {
        await using var instance = await Rig.StartAsync();
        var visitor = Rig.NewVisitor(instance);
        const string Body = """{"amount":5}""";
        using var client = new TcpClient();
        await client.ConnectAsync(instance.Api.Address.Host, instance.Api.Address.Port);
        await using var stream = client.GetStream();
        clock.Start();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/points/charges HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {visitor.AccessToken}\r\nIdempotency-Key: k\r\n"
            + $"Content-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body[..4]}"));
        (await visitor.GetAsync("/v1/points")).Expect(200);
        var started = Stopwatch.GetTimestamp();

        instance.Process.Signal(PosixSignal.SIGTERM);

        await Eventually.TrueAsync(() => Ports.IsFree(instance.Api.Address.Port));
        await stream.WriteAsync(Encoding.ASCII.GetBytes(Body[4..]));
        clock.Stop();
        using var reader = new StreamReader(stream);
        await Assert.That(await reader.ReadLineAsync()).IsNotNull().And.StartsWith("HTTP/1.1 201")
            .Because(string.Join('\n', instance.Process.Output.TakeLast(20)));
        await Assert.That(await instance.Process.WaitForExitAsync().WaitAsync(Eventually.Patience)).IsEqualTo(0);
        await Assert.That(Stopwatch.GetElapsedTime(started)).IsLessThan(Promised);
    });

    /// <summary>Endpoints that are slow to follow get the time that the setting gives, however long that is.</summary>
    [Test]
    [Arguments(0, PosixSignal.SIGTERM)]
    [Arguments(0, PosixSignal.SIGINT)]
    [Arguments(15, PosixSignal.SIGTERM)]
    public async Task Drain_AsLongAsSet_ServesWhileNotReady(int seconds, PosixSignal signal)
    {
        await using var instance = await Rig.StartAsync(new Dictionary<string, string?> { ["Drain__Seconds"] = $"{seconds}" });
        var started = Stopwatch.GetTimestamp();

        instance.Process.Signal(signal);

        if (seconds > 0)
        {
            await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 503);
            while (Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(seconds / 3))
            {
                var served = (await Rig.NewVisitor(instance).ChargeAsync(1)).Expect(201);
                await Assert.That(served.Header("Connection")).IsEqualTo("close");
            }
        }
        await Assert.That(await instance.Process.WaitForExitAsync().WaitAsync(Eventually.Patience)).IsEqualTo(0);
        await Assert.That(Stopwatch.GetElapsedTime(started))
            .IsBetween(TimeSpan.FromSeconds(seconds), TimeSpan.FromSeconds(seconds) + Promised);
    }

    /// <summary>The clients come through a router, which sends nobody where readyz fails.</summary>
    [Test]
    public async Task Sigterm_UnderTraffic_LosesNoRequest()
    {
        await using var instance = await Rig.StartAsync(new Dictionary<string, string?> { ["Drain__Seconds"] = "15" });
        var (answered, ready) = (0, true);
        async Task AskWhileReadyAsync()
        {
            var visitor = Rig.NewVisitor(instance);
            while (Volatile.Read(ref ready))
            {
                (await visitor.ChargeAsync(1)).Expect(201);
                Interlocked.Increment(ref answered);
            }
        }
        var clients = Enumerable.Range(0, 4).Select(_ => AskWhileReadyAsync()).ToList();
        await Eventually.TrueAsync(() => Volatile.Read(ref answered) > 20);

        instance.Process.Signal(PosixSignal.SIGTERM);

        await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), reply => reply.Status == 503);
        Volatile.Write(ref ready, false);
        await Task.WhenAll(clients);
        await Assert.That(await instance.Process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(15) + Promised)).IsEqualTo(0);
    }
}
