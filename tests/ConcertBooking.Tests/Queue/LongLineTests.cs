using System.Buffers.Binary;
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Queue;

/// <summary>The crowd at opening: many users, long lines, thousands of streams. Each prints what it measured.</summary>
[Category("Long"), Explicit, NotInParallel]
public sealed class LongLineTests : SharedRigTests
{
    private const int AtOnce = 128;

    [Test]
    public async Task TenThousandUsers_OnTwoInstances_GetPlacesInOrderAndNeverMoreThanMaxActive()
    {
        const int Users = 10_000, Places = 50, Leavers = 300;
        var queue = await Rig.Catalogue.AddQueueAsync(Places);
        var entered = new ConcurrentBag<(Visitor Visitor, long Ticket, long Position)>();
        using var stop = new CancellationTokenSource();
        var most = WatchMostActiveAsync(queue, stop.Token);

        await ForEachAsync(Users, async index =>
        {
            var visitor = Rig.NewVisitor(index % 2 == 0 ? Rig.A : Rig.B);
            // On a busy machine Redis may be late: 503, and the same call again finds the same place.
            var reply = await Eventually.GetAsync(() => visitor.EnterAsync(queue), answer => answer.Status != 503, TimeSpan.FromSeconds(20));
            entered.Add((visitor, Ticket(reply.Value("token")), reply.Number("position")));
        });

        var byTicket = entered.OrderBy(user => user.Ticket).ToArray();
        await Assert.That(byTicket.Select(user => user.Ticket).Distinct().Count()).IsEqualTo(Users);
        await Assert.That(byTicket.Select(user => user.Position).SequenceEqual(
            Enumerable.Repeat(0L, Places).Concat(Enumerable.Range(1, Users - Places).Select(position => (long)position)))).IsTrue()
            .Because("positions run from 1 without gap or repeat, in the order of the tickets");

        // Places are given up in random order, and always the next by ticket number has them.
        await ForEachAsync(Leavers, async index => (await byTicket[index].Visitor.LeaveAsync()).Expect(204));
        for (var index = Leavers; index < Leavers + Places + 20; index++)
        {
            var place = (await byTicket[index].Visitor.PlaceAsync()).Expect(200);
            await Assert.That(place.Number("position")).IsEqualTo(Math.Max(0, index - Leavers - Places + 1));
        }
        await stop.CancelAsync();
        await Assert.That(await most).IsEqualTo(Places);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task TwelveRoundsOfVanishingUsers_TheQueueKeepsMoving()
    {
        const int Rounds = 12, Places = 5;
        var queue = await Rig.Catalogue.AddQueueAsync(Places, activeSeconds: 1);
        var started = Stopwatch.StartNew();
        await ForEachAsync(Rounds * Places, async index => (await Rig.NewVisitor(index % 2 == 0 ? Rig.A : Rig.B).EnterAsync(queue)).Expect(201));

        var empty = await Eventually.GetAsync(
            () => Rig.Catalogue.GetQueueAsync(queue), reply => reply.Number("active") + reply.Number("waiting") == 0, TimeSpan.FromSeconds(30));

        Tell($"{Rounds} rounds of 1 s took {started.Elapsed.TotalSeconds:0.0} s");
        await Assert.That(empty.Number("active")).IsEqualTo(0);
        await Assert.That(started.Elapsed).IsLessThan(TimeSpan.FromSeconds(Rounds * 1.5));
        var after = (await Rig.NewVisitor().EnterAsync(queue)).Expect(201);
        await Assert.That(after.Value("status")).IsEqualTo("ACTIVE");
    }

    [Test]
    [Arguments("left")]
    [Arguments("paid")]
    [Arguments("expired")]
    public async Task HandOn_ToAStreamOfTheOtherInstance_TakesUnder100MsAtTheMedian(string way)
    {
        const int Times = 15;
        var show = await Rig.Catalogue.AddShowAsync(seats: Times, maxActive: 1, activeSeconds: way == "expired" ? 2 : 600);
        var delays = new List<double>();
        var owner = await Rig.NewVisitorAsync(show);
        for (var time = 1; time <= Times; time++)
        {
            var next = Rig.NewVisitor(Rig.B);
            (await next.EnterAsync(show.Queue)).Expect(201);
            await using var stream = await PlaceEvents.OpenAsync(next);
            await stream.NextAsync("position");
            var ended = await EndPlaceAsync(owner, show, time, way);
            var active = await stream.NextAsync("active");
            delays.Add((active.At - ended).TotalMilliseconds);
            next.QueueToken = active.Data.Value("token");
            owner = next;
        }

        var median = delays.Order().ElementAt(Times / 2);
        Tell($"hand-on of a place that was {way}: median {median:0} ms, worst {delays.Max():0} ms");
        await Assert.That(median).IsLessThan(100);
    }

    /// <returns>When the place ended, or when its end was asked for.</returns>
    private static async Task<DateTimeOffset> EndPlaceAsync(Visitor owner, Show show, int seatNo, string way)
    {
        if (way == "expired")
        {
            return (await owner.PlaceAsync()).Expect(200).Json.Moment("expiresAt");
        }

        var reservation = way == "paid" ? await owner.HeldAsync(show, seatNo) : "";
        if (way == "paid")
        {
            (await owner.ChargeAsync(show.Price)).Expect(201);
        }

        var asked = TimeProvider.System.GetUtcNow();
        _ = way == "paid" ? (await owner.PayAsync(reservation)).Expect(201) : (await owner.LeaveAsync()).Expect(204);
        return asked;
    }

    [Test]
    public async Task PlaceRequest_LongerLine_CostsNoMoreThanItsLogarithm()
    {
        await using var redis = await RedisServers.StartAsync(new ServerOptions { AllowNamed = false });
        await using var instance = await Rig.StartAloneAsync(new Dictionary<string, string?> { [RedisServers.Setting] = redis.ConnectionString });
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"{redis.ConnectionString},allowAdmin=true");
        var server = connection.GetServers()[0];
        var costs = new List<double>();
        foreach (var length in (int[])[1_000, 10_000, 100_000])
        {
            var queue = await instance.Catalogue.AddQueueAsync(maxActive: 1);
            (await Rig.NewVisitor(instance).EnterAsync(queue)).Expect(201);
            var before = await MemoryAsync(server);
            await FillAsync(connection.GetDatabase(), queue, length);
            var memory = (await MemoryAsync(server) - before) / length;
            var last = Rig.NewVisitor(instance);
            (await last.EnterAsync(queue)).Expect(201);
            await server.ExecuteAsync("CONFIG", "RESETSTAT");

            var started = Stopwatch.StartNew();
            const int Requests = 2_000;
            for (var request = 0; request < Requests; request++)
            {
                (await last.PlaceAsync()).Expect(200);
            }

            var wall = started.Elapsed.TotalMilliseconds / Requests;

            var stats = (string)(await server.ExecuteAsync("INFO", "commandstats"))!;
            var eval = stats.Split('\n').Single(line => line.StartsWith("cmdstat_evalsha:", StringComparison.Ordinal));
            var cost = double.Parse(eval.Split("usec_per_call=")[1].Split(',')[0], CultureInfo.InvariantCulture);
            Tell($"{length,7} waiting: {cost,5:0.0} µs of Redis a place request, {wall:0.00} ms end to end, {memory:0} bytes of Redis a user");
            costs.Add(cost);
            await Assert.That((await last.PlaceAsync()).Number("position")).IsEqualTo(length + 1);
            await Assert.That(memory).IsLessThan(300);
        }
        // log2 grows from 10 to 17; most of a request does not depend on the length at all.
        await Assert.That(costs[2]).IsLessThan(costs[0] * 1.7);
    }

    [Test]
    public async Task FiveThousandStreams_OnOneInstance_CostLittleMemory()
    {
        const int Streams = 5_000;
        await using var instance = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Limits__MaxConnectionsPerAddress"] = $"{2 * Streams}" });
        var queue = await instance.Catalogue.AddQueueAsync(maxActive: 1);
        var owner = Rig.NewVisitor(instance);
        (await owner.EnterAsync(queue)).Expect(201);
        var visitors = new Visitor[Streams];
        for (var index = 0; index < 3; index++)
        {
            (await (visitors[index] = Rig.NewVisitor(instance)).EnterAsync(queue)).Expect(201);
        }

        await ForEachAsync(Streams - 3, async index => (await (visitors[index + 3] = Rig.NewVisitor(instance)).EnterAsync(queue)).Expect(201));
        var before = instance.Process.ResidentMegabytes;
        var clients = new List<TcpClient>();
        var received = new long[Streams];
        try
        {
            foreach (var (index, visitor) in visitors.Index().Skip(3))
            {
                var client = new TcpClient();
                await client.ConnectAsync(instance.Api.Address.Host, instance.Api.Address.Port);
                clients.Add(client);
                await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                    $"GET /v1/queue/tokens/current/events HTTP/1.1\r\nHost: test\r\nQueue-Token: {visitor.QueueToken}\r\n\r\n"));
                _ = ReadAsync(client, received, index);
            }
            await Eventually.TrueAsync(() => received.Skip(3).All(bytes => bytes > 0), TimeSpan.FromSeconds(30));
            var open = instance.Process.ResidentMegabytes;
            var delays = new List<double>();
            for (var next = 0; next < 3; next++)
            {
                await using var stream = await PlaceEvents.OpenAsync(visitors[next]);
                var left = TimeProvider.System.GetUtcNow();
                (await owner.LeaveAsync()).Expect(204);
                var active = await stream.NextAsync("active");
                delays.Add((active.At - left).TotalMilliseconds);
                owner = visitors[next];
                owner.QueueToken = active.Data.Value("token");
                await Task.Delay(TimeSpan.FromSeconds(2)); // every stream is told its new position
            }
            var moving = instance.Process.ResidentMegabytes;
            Tell($"{Streams} streams: {before} MB before, {open} MB open, {moving} MB while the line moves; hand-on to a stream {string.Join(", ", delays.Select(delay => $"{delay:0} ms"))}");
            await Assert.That(moving).IsLessThan(150);
            await Assert.That(received.Skip(3).Min()).IsGreaterThan(2 * 300).Because("every stream was told at least two positions");
        }
        finally
        {
            foreach (var client in clients)
            {
                client.Dispose();
            }
        }
    }

    private static async Task ReadAsync(TcpClient client, long[] received, int index)
    {
        var buffer = new byte[512];
        try
        {
            int read;
            while ((read = await client.GetStream().ReadAsync(buffer)) > 0)
            {
                Interlocked.Add(ref received[index], read);
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // The test is over.
        }
    }

    /// <summary>As entering would write it, which 100,000 times over HTTP would take a minute.</summary>
    private static async Task FillAsync(IDatabase redis, string queue, int length)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var some in Enumerable.Range(0, length).Chunk(5_000))
        {
            var users = some.Select(_ => (RedisValue)UserIds.Next()).ToArray();
            await redis.SortedSetAddAsync($"{{q:{queue}}}:waiting", [.. users.Select((user, index) => new SortedSetEntry(user, (now * 1000) + some[index]))]);
            await redis.SortedSetAddAsync($"{{q:{queue}}}:seen", [.. users.Select(user => new SortedSetEntry(user, now))]);
        }
    }

    private static async Task<double> MemoryAsync(IServer server) =>
        double.Parse(((string)(await server.ExecuteAsync("INFO", "memory"))!).Split("used_memory:")[1].Split('\r')[0], CultureInfo.InvariantCulture);

    private async Task<long> WatchMostActiveAsync(string queue, CancellationToken stop)
    {
        var most = 0L;
        while (!stop.IsCancellationRequested)
        {
            most = Math.Max(most, (await Rig.Catalogue.GetQueueAsync(queue)).Number("active"));
            await Task.Delay(10, CancellationToken.None);
        }
        return most;
    }

    /// <summary>The ticket number inside a token; clients have no business with it.</summary>
    private static long Ticket(string token) => BinaryPrimitives.ReadInt64BigEndian(Base64Url.DecodeFromChars(token).AsSpan(9));

    private static Task ForEachAsync(int count, Func<int, Task> call) => Parallel.ForAsync(
        0, count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (index, _) => await call(index));

    private static void Tell(string line)
    {
        TestContext.Current?.Output.WriteLine(line);
        Console.Error.WriteLine($"room: {line}");
    }
}
