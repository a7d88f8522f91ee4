using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Measurements;

/// <summary>Long queues and thousands of streams: what a place request, a stream and the handing on of a place cost.</summary>
[Category("Measurement"), Explicit, NotInParallel]
public sealed class LongQueueMeasurements : SharedRigTests
{
    private const int AtOnce = 128;

    [Test]
    [Arguments("left")]
    [Arguments("paid")]
    [Arguments("expired")]
    public async Task HandOn_ToAStreamOfTheOtherInstance_TakesLessThanTheTick(string way)
    {
        const int Times = 15;
        var show = await Rig.Catalogue.AddShowAsync(seats: Times, maxActive: 1, activeSeconds: way == "expired" ? 2 : 600);
        var delays = new List<double>();
        var owner = await Rig.NewVisitorAsync(show);
        for (var time = 1; time <= Times; time++)
        {
            var next = Rig.NewVisitor(Rig.B);
            await next.EnteredAsync(show.Queue);
            await using var stream = await PlaceEvents.OpenAsync(next);
            await stream.NextAsync("position");
            var ended = await EndPlaceAsync(owner, show, time, way);
            var active = await stream.NextAsync("active");
            delays.Add((active.At - ended).TotalMilliseconds);
            next.QueueToken = active.Data.Value("token");
            owner = next;
        }

        var median = delays.Order().ElementAt(Times / 2);
        Report($"hand-on of a place that was {way}: median {median:0} ms, worst {delays.Max():0} ms");
        await Assert.That(median).IsLessThan(500); // half of the tick: only the message of the admission itself is as quick
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
        await using var instance = await Rig.StartAloneAsync(
            new Dictionary<string, string?> { [RedisServers.Setting] = redis.ConnectionString });
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"{redis.ConnectionString},allowAdmin=true");
        var server = connection.GetServers()[0];
        var costs = new List<double>();
        foreach (var length in (int[])[1_000, 10_000, 100_000])
        {
            var queue = await instance.Catalogue.AddQueueAsync(maxActive: 1);
            await Rig.NewVisitor(instance).EnteredAsync(queue);
            var before = await MemoryAsync(server);
            await FillAsync(connection.GetDatabase(), queue, length);
            var memory = (await MemoryAsync(server) - before) / length;
            var last = Rig.NewVisitor(instance);
            await last.EnteredAsync(queue);
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
            Report(
                $"{length,7} waiting: {cost,5:0.0} µs of Redis a place request, {wall:0.00} ms end to end, {memory:0} bytes of "
                    + "Redis a user");
            costs.Add(cost);
            await Assert.That((await last.PlaceAsync()).Number("position")).IsEqualTo(length + 1);
            await Assert.That(memory).IsLessThan(300);
        }
        // log2 grows from 10 to 17, by 1.7; the rest is for a busy machine. A walk through the line would cost a hundred times as much.
        await Assert.That(costs[2]).IsLessThan(costs[0] * 3);
    }

    [Test]
    public async Task FiveThousandStreams_OnOneInstance_CostLittleMemory()
    {
        const int Streams = 5_000;
        await using var instance = await Rig.StartAloneAsync(
            new Dictionary<string, string?> { ["Limits__MaxConnectionsPerAddress"] = $"{2 * Streams}" });
        var queue = await instance.Catalogue.AddQueueAsync(maxActive: 1);
        var owner = Rig.NewVisitor(instance);
        await owner.EnteredAsync(queue);
        var visitors = new Visitor[Streams];
        for (var index = 0; index < 3; index++)
        {
            await (visitors[index] = Rig.NewVisitor(instance)).EnteredAsync(queue);
        }

        await ForEachAsync(
            Streams - 3,
            async index => (await Eventually.AnsweredAsync(() => (visitors[index + 3] = Rig.NewVisitor(instance)).EnterAsync(queue)))
                .Expect(201));
        var before = instance.Process.AnonymousMegabytes; // its own: pages of its files come and go
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
            await Eventually.TrueAsync(() => received.Skip(3).All(bytes => bytes > 0));
            var open = instance.Process.AnonymousMegabytes;
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
            var moving = instance.Process.AnonymousMegabytes;
            Report(
                $"{Streams} streams, own memory: {before} MB before, {open} MB open, {moving} MB while the line moves; hand-on to a stream "
                    + $"{string.Join(", ", delays.Select(delay => $"{delay:0} ms"))}");
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
            await redis.SortedSetAddAsync(
                $"{{q:{queue}}}:waiting", [.. users.Select((user, index) => new SortedSetEntry(user, (now * 1000) + some[index]))]);
            await redis.SortedSetAddAsync($"{{q:{queue}}}:seen", [.. users.Select(user => new SortedSetEntry(user, now))]);
        }
    }

    private static async Task<double> MemoryAsync(IServer server) =>
        double.Parse(
            ((string)(await server.ExecuteAsync("INFO", "memory"))!).Split("used_memory:")[1].Split('\r')[0], CultureInfo.InvariantCulture);

    private static Task ForEachAsync(int count, Func<int, Task> call) => Parallel.ForAsync(
        0, count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (index, _) => await call(index));

    private static void Report(string line)
    {
        TestContext.Current?.Output.WriteLine(line);
        Console.Error.WriteLine($"room: {line}");
    }
}
