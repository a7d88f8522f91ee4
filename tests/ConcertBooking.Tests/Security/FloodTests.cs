using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>Floods: other clients go on, and memory stays. Bounds have room for a machine that also runs the flood.</summary>
[Category("Long"), Explicit, NotInParallel]
public sealed class FloodTests : SharedRigTests
{
    private static readonly TimeSpan s_bound = TimeSpan.FromMilliseconds(500);

    /// <summary>What paying may take at any time: below it, twice the calm time is no trouble.</summary>
    private static readonly TimeSpan s_payBound = TimeSpan.FromMilliseconds(20);

    [Test]
    public async Task Slowloris_TwoThousandConnections_OthersGoOn()
    {
        await using var service = await Rig.StartAsync();
        var token = Rig.NewVisitor().AccessToken;
        using var end = new CancellationTokenSource();
        var opened = 0;
        var attack = Enumerable.Range(0, 2_000).Select(number => Task.Run(async () =>
        {
            while (!end.IsCancellationRequested)
            {
                try
                {
                    using var client = new TcpClient();
                    await client.ConnectAsync(service.Api.Address.Host, service.Api.Address.Port, end.Token);
                    Interlocked.Increment(ref opened);
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(number % 2 == 0
                        ? "GET /v1/concerts HTTP/1.1\r\nHost: a\r\nX-Slow: "
                        : $"POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {number}\r\n"
                            + "Content-Type: application/json\r\nContent-Length: 10000\r\n\r\n"), end.Token);
                    while (true)
                    {
                        await Task.Delay(1_000, end.Token);
                        await client.GetStream().WriteAsync("x"u8.ToArray(), end.Token);
                    }
                }
                catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException)
                {
                    // Cut off: the attacker comes again.
                }
            }
        })).ToArray();
        await Eventually.TrueAsync(() => opened >= 2_000, within: TimeSpan.FromSeconds(30));

        var times = await TimesAsync(TimeSpan.FromSeconds(15), () => service.Api.GetAsync("/v1/concerts"), 200);
        var memory = service.Process.ResidentMegabytes;
        await end.CancelAsync();
        await Task.WhenAll(attack);

        Console.WriteLine($"slowloris: {opened} connections, {times.Length} requests of others, p99 {times.Part(0.99)}, {memory} MB");
        await Assert.That(times.Part(0.99)).IsLessThan(s_bound);
        await Assert.That(memory).IsLessThan(400);
    }

    [Test]
    public async Task SlowReaders_OfLargeLists_HoldLittleMemory()
    {
        await using var service = await Rig.StartAsync();
        var shows = new List<Show>();
        for (var i = 0; i < 6; i++)
            shows.Add(await Rig.Catalogue.AddShowAsync(seats: 100_000));
        var readers = new List<TcpClient>();
        try
        {
            for (var i = 0; i < 300; i++)
            {
                var client = new TcpClient { ReceiveBufferSize = 4_096 };
                readers.Add(client);
                await client.ConnectAsync(service.Api.Address.Host, service.Api.Address.Port);
                await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET /v1/schedules/{shows[i % shows.Count].ScheduleId}/seats HTTP/1.1\r\nHost: a\r\n\r\n"));
            }
            await Task.Delay(4_000); // what they hold is at its height before the rate limit cuts them off
            var memory = service.Process.ResidentMegabytes;

            Console.WriteLine($"slow readers: {memory} MB");
            await Assert.That(memory).IsLessThan(400);
        }
        finally
        {
            readers.ForEach(reader => reader.Dispose());
        }
    }

    /// <summary>
    /// The services have one processor, so that the flood takes all that it can take of a service and leaves the others to MySQL,
    /// Redis and the payers. How long paying takes while the same flood is at a neighbour is told beside it: that much is the machine's.
    /// </summary>
    [Test]
    public async Task Flood_OfReadsAndTokens_LeavesRoomToPay()
    {
        await using var service = await Scheduling.OnOneProcessor(() => Rig.StartAsync());
        await using var neighbour = await Scheduling.OnOneProcessor(() => Rig.StartAsync());
        const int Clients = 200; // ten times the knee and more: one processor's answers grow little beyond 16 clients
        const int Rounds = 6, Payments = 100;
        var show = await Rig.Catalogue.AddShowAsync(seats: 3 * Rounds * Payments, price: 1);
        var small = await Rig.Catalogue.AddShowAsync();
        var (calm, beside, within) = (new List<TimeSpan>(), new List<TimeSpan>(), new List<TimeSpan>());
        var (besidePace, withinPace) = (0.0, 0.0);
        var nextSeat = 1;
        for (var round = 0; round < Rounds; round++) // in turn, for a machine is not as fast all the time
        {
            await PayAsync(calm);
            besidePace += await PayInFloodAsync(neighbour, beside) / Rounds;
            withinPace += await PayInFloodAsync(service, within) / Rounds;
        }

        TestContext.Current!.Output.WriteLine(
            $"pay p50/p95 ms: calm {Told(calm)}, the flood at the neighbour {Told(beside)} ({besidePace:0} other answers a second), here {Told(within)} ({withinPace:0})");
        await Assert.That(within.Part(0.95)).IsLessThan(TimeSpan.FromTicks(Math.Max(2 * calm.Part(0.95).Ticks, s_payBound.Ticks)));

        static string Told(List<TimeSpan> times) => $"{times.Part(0.5).TotalMilliseconds:0.0}/{times.Part(0.95).TotalMilliseconds:0.0}";

        async Task<double> PayInFloodAsync(Instance flooded, List<TimeSpan> times)
        {
            using var flood = Flood.Start(flooded.Api.Address, Enumerable.Range(0, Clients).Select(number => (number % 3, Rig.NewVisitor(flooded)) switch
            {
                (0, var visitor) => Request("POST /v1/queue/tokens", visitor, $$"""{"queue":"{{show.Queue}}"}"""),
                (1, var visitor) => Request("GET /v1/points", visitor),
                (_, var visitor) => Request($"GET /v1/schedules/{small.ScheduleId}/seats", visitor),
            }));
            await Eventually.TrueAsync(() => flood.Answers > 3 * Clients, within: TimeSpan.FromSeconds(20));
            var (before, began) = (flood.Answers, Stopwatch.GetTimestamp());
            await PayAsync(times);
            return (flood.Answers - before) / Stopwatch.GetElapsedTime(began).TotalSeconds;
        }

        // Four at a time.
        async Task PayAsync(List<TimeSpan> times)
        {
            var seats = new ConcurrentQueue<int>(Enumerable.Range(nextSeat, Payments));
            nextSeat += Payments;
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
            {
                while (seats.TryDequeue(out var seat))
                {
                    var visitor = await Rig.NewVisitor(service).AdmittedAsync(show);
                    (await visitor.ChargeAsync(10)).Expect(201);
                    var reservation = (await visitor.HoldAsync(show, seat)).Expect(201).Value("reservationId");
                    var started = Stopwatch.GetTimestamp();
                    (await visitor.PayAsync(reservation)).Expect(201);
                    var time = Stopwatch.GetElapsedTime(started);
                    lock (times)
                        times.Add(time);
                }
            })));
        }
    }

    private static byte[] Request(string line, Visitor visitor, string body = "") => Encoding.ASCII.GetBytes(
        $"{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {visitor.AccessToken}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");

    private static async Task<TimeSpan[]> TimesAsync(TimeSpan time, Func<Task<Reply>> ask, int status)
    {
        var times = new ConcurrentBag<TimeSpan>();
        var end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetTimestamp() < end)
            {
                var started = Stopwatch.GetTimestamp();
                (await ask()).Expect(status);
                times.Add(Stopwatch.GetElapsedTime(started));
                await Task.Delay(10);
            }
        })));
        return [.. times];
    }
}

/// <summary>
/// Clients that ask again as soon as they are answered, each on a connection of its own, all on one thread that has
/// the last turn at the processors: who floods has some of his own, and takes none from the service or its servers.
/// </summary>
internal sealed class Flood : IDisposable
{
    private readonly Dictionary<Socket, byte[]> _clients;
    private readonly Thread _thread;
    private long _answers;
    private volatile bool _over;

    private Flood(Dictionary<Socket, byte[]> clients) => (_clients, _thread) = (clients, new Thread(Ask));

    public long Answers => Interlocked.Read(ref _answers);

    public static Flood Start(Uri service, IEnumerable<byte[]> requests)
    {
        var flood = new Flood(requests.ToDictionary(_ =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(service.Host, service.Port);
            return socket;
        }));
        flood._thread.Start();
        return flood;
    }

    public void Dispose()
    {
        _over = true;
        _thread.Join();
        foreach (var client in _clients.Keys)
            client.Dispose();
    }

    private void Ask()
    {
        Scheduling.TakeTheLastTurn();
        var answer = new byte[64 * 1024];
        foreach (var (client, request) in _clients)
            client.Send(request);
        while (!_over)
        {
            var answered = _clients.Keys.ToList();
            Socket.Select(answered, null, null, TimeSpan.FromMilliseconds(100));
            foreach (var client in answered)
            {
                if (client.Receive(answer) == 0) // answers are small and come in one piece
                    throw new InvalidOperationException("The service has closed a connection of the flood.");
                _answers++;
                client.Send(_clients[client]);
            }
        }
    }
}
