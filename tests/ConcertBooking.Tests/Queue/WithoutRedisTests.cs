using System.Net;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Queue;

/// <summary>An instance whose Redis never answers, beside those that have one.</summary>
public sealed class WithoutRedisTests : SharedRigTests
{
    [Test]
    public async Task Queue_RedisIsAway_Returns503()
    {
        await using var cutOff = await StartCutOffAsync();
        var queue = await Rig.Catalogue.AddQueueAsync();
        var visitor = Rig.NewVisitor();
        await visitor.EnteredAsync(queue);
        visitor.Api = cutOff.Api;
        var admin = Rig.Admin;
        admin.Api = cutOff.Api;

        (await visitor.EnterAsync(queue)).ExpectProblem(503, "queue_unavailable").ExpectRetryAfter();
        (await visitor.PlaceAsync()).ExpectProblem(503, "queue_unavailable").ExpectRetryAfter();
        (await visitor.LeaveAsync()).ExpectProblem(503, "queue_unavailable").ExpectRetryAfter();
        (await admin.GetAsync($"/v1/admin/queues/{queue}")).ExpectProblem(503, "queue_unavailable").ExpectRetryAfter();
    }

    [Test]
    public async Task HoldAndPay_RedisIsAway_GoOnWithThePass()
    {
        await using var cutOff = await StartCutOffAsync();
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        visitor.Api = cutOff.Api;

        var reservationId = await visitor.HeldAsync(show);
        (await visitor.PayAsync(reservationId)).Expect(201);

        await Assert.That((await visitor.ReservationAsync(reservationId)).Expect(200).Value("status")).IsEqualTo("CONFIRMED");
    }

    [Test]
    public async Task Hold_RedisIsAwayAndTokenOnlyWaiting_Returns403()
    {
        await using var cutOff = await StartCutOffAsync();
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        await Rig.NewVisitor().EnteredAsync(show.Queue);
        var waiting = Rig.NewVisitor();
        await waiting.EnteredAsync(show.Queue);
        waiting.Api = cutOff.Api;

        (await waiting.HoldAsync(show)).ExpectProblem(403, "queue_token_not_active");
    }

    /// <summary>nginx sends clients to whatever accepts connections, as it did to a new instance that had no Redis yet.</summary>
    [Test]
    public async Task Start_RedisAnswersLate_ServesNoRequestBefore()
    {
        var redis = ConfigurationOptions.Parse(Rig.Servers.Redis.ConnectionString);
        await using var proxy = new TcpProxy("127.0.0.1", ((IPEndPoint)redis.EndPoints[0]).Port);
        redis.EndPoints[0] = IPEndPoint.Parse($"127.0.0.1:{proxy.Port}");
        proxy.Hold();

        var starting = Rig.StartAsync(new Dictionary<string, string?> { [RedisServers.Setting] = redis.ToString() }, waitFor: "/livez");
        await Eventually.TrueAsync(() => proxy.Connections > 0);
        await Task.WhenAny(starting, Task.Delay(TimeSpan.FromSeconds(1)));
        await Assert.That(starting.IsCompleted).IsFalse();
        proxy.Release();

        await using var instance = await starting;
        (await Rig.NewVisitor(instance).EnterAsync(await Rig.Catalogue.AddQueueAsync())).Expect(201);
        await Assert.That((await instance.Api.GetAsync("/readyz")).Expect(200).Value("status")).IsEqualTo("ready");
    }

    [Test]
    public async Task Readyz_RedisIsAway_Returns200Degraded()
    {
        await using var cutOff = await StartCutOffAsync();

        var reply = (await cutOff.Api.GetAsync("/readyz")).Expect(200);

        await Assert.That(reply.Value("status")).IsEqualTo("degraded");
        await Assert.That(reply.Json.GetProperty("checks").Value("redis")).IsEqualTo("down");
        await Assert.That(reply.Json.GetProperty("checks").Value("mysql")).IsEqualTo("up");
    }

    private Task<Instance> StartCutOffAsync() =>
        Rig.StartAsync(new Dictionary<string, string?> { [RedisServers.Setting] = $"127.0.0.1:{Ports.Take()}" });
}
