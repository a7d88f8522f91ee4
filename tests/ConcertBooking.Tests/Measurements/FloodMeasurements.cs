using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Measurements;

/// <summary>Floods: other clients go on, and memory stays. Bounds have room for a machine that also runs the flood.</summary>
[Category("Measurement"), Explicit, NotInParallel]
public sealed class FloodMeasurements : SharedRigTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromMilliseconds(500);

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
        await Eventually.TrueAsync(() => opened >= 2_000);

        var times = await TimesAsync(TimeSpan.FromSeconds(15), () => service.Api.GetAsync("/v1/concerts"), 200);
        var memory = service.Process.ResidentMegabytes;
        await end.CancelAsync();
        await Task.WhenAll(attack);

        Console.WriteLine($"slowloris: {opened} connections, {times.Length} requests of others, p99 {times.Part(0.99)}, {memory} MB");
        await Assert.That(times.Part(0.99)).IsLessThan(Bound);
        await Assert.That(memory).IsLessThan(400);
    }

    [Test]
    public async Task SlowReaders_OfLargeLists_HoldLittleMemory()
    {
        await using var service = await Rig.StartAsync();
        var shows = new List<Show>();
        for (var i = 0; i < 6; i++)
        {
            shows.Add(await Rig.Catalogue.AddShowAsync(seats: 100_000));
        }

        var readers = new List<TcpClient>();
        try
        {
            for (var i = 0; i < 300; i++)
            {
                var client = new TcpClient { ReceiveBufferSize = 4_096 };
                readers.Add(client);
                await client.ConnectAsync(service.Api.Address.Host, service.Api.Address.Port);
                await client.GetStream().WriteAsync(
                    Encoding.ASCII.GetBytes($"GET /v1/schedules/{shows[i % shows.Count].ScheduleId}/seats HTTP/1.1\r\nHost: a\r\n\r\n"));
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
