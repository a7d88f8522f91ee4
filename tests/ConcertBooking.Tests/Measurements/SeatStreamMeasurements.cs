using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Measurements;

/// <summary>
/// Thousands watch one schedule while it sells, on an instance as small as the smallest: how late they see a change, what they take of
/// memory, and what they cost those who buy. The native binary is meant, since a just-in-time compiler takes more than all else.
/// </summary>
[Category("Measurement"), Explicit, NotInParallel]
public sealed class SeatStreamMeasurements : SharedRigTests
{
    private const int Seats = 1_000, Viewers = 5_000, SalesEach = 200;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(75);

    [Test]
    public async Task FiveThousandViewers_OfOneSchedule_WhileItSells()
    {
        await using var instance = await Scheduling.OnOneProcessor(() => Rig.StartAloneAsync(new Dictionary<string, string?>
        {
            ["Limits__MaxConnectionsPerAddress"] = $"{2 * Viewers}",
            ["DOTNET_GCHeapHardLimit"] = "0x10000000", // half of 512 MB, as the runtime takes it of a container
        }));
        var show = await instance.Catalogue.AddShowAsync(seats: Seats);
        var buyers = await AdmittedAsync(instance, show, 2 * SalesEach);
        using var quota = ProcessorQuota.TrySet(instance.Process.ProcessId, processors: 0.5);
        Report(quota is null ? "one processor (a quota is not permitted)" : "half a processor");
        await SellAsync(show, buyers[..20], firstSeat: 1); // warms up
        var alone = await SellAsync(show, buyers[20..SalesEach], firstSeat: 21);
        var before = instance.Process.AnonymousMegabytes;

        var seen = new SeatAudience(instance.Api.Address, SeatWatcher.PathOf(show));
        try
        {
            await seen.JoinAsync(Viewers);
            var open = instance.Process.AnonymousMegabytes;
            await Task.Delay(TimeSpan.FromSeconds(2));
            var used = ProcessorTime(instance);
            var started = Stopwatch.GetTimestamp();
            var watched = await SellAsync(show, buyers[SalesEach..], firstSeat: SalesEach + 1);
            var share = (ProcessorTime(instance) - used) / Stopwatch.GetElapsedTime(started);
            await Eventually.TrueAsync(async () => seen.AllShow(await SeatWatcher.ListedAsync(instance.Api, show)));
            var selling = instance.Process.AnonymousMegabytes;

            var lags = seen.Lags(await CommitsAsync(instance.Database, show, SalesEach));
            Report($"{Viewers} viewers, {seen.Events} events; lag from commit: p50 {lags.Part(0.5).TotalMilliseconds:0} ms, "
                + $"p95 {lags.Part(0.95).TotalMilliseconds:0} ms, p99 {lags.Part(0.99).TotalMilliseconds:0} ms, "
                + $"worst {lags.Max().TotalMilliseconds:0} ms");
            Report($"own memory: {before} MB before, {open} MB open, {selling} MB while it sells ({instance.Process.ResidentMegabytes} MB "
                + $"resident); processor while it sells: {share:0.00}");
            Report($"hold: alone {Times(alone.Holds)}, with viewers {Times(watched.Holds)}");
            Report($"payment: alone {Times(alone.Payments)}, with viewers {Times(watched.Payments)}");
            await Assert.That(selling).IsLessThan(200);
        }
        finally
        {
            seen.Dispose();
        }
    }

    private async Task<Visitor[]> AdmittedAsync(LoneInstance instance, Show show, int count)
    {
        var visitors = new Visitor[count];
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (index, _) =>
            visitors[index] = await Rig.NewVisitor(instance).AdmittedAsync(show, show.Price));
        return visitors;
    }

    /// <summary>Each buyer holds a seat and pays for it; they come one after the other, whether the one before is done or not.</summary>
    private static async Task<(IReadOnlyCollection<TimeSpan> Holds, IReadOnlyCollection<TimeSpan> Payments)> SellAsync(
        Show show, Visitor[] buyers, int firstSeat)
    {
        var (holds, payments) = (new ConcurrentBag<TimeSpan>(), new ConcurrentBag<TimeSpan>());
        var sales = new List<Task>();
        foreach (var (index, buyer) in buyers.Index())
        {
            sales.Add(BuyAsync(buyer, firstSeat + index));
            await Task.Delay(Pause);
        }

        await Task.WhenAll(sales);
        return (holds, payments);

        async Task BuyAsync(Visitor buyer, int seatNo)
        {
            var asked = Stopwatch.GetTimestamp();
            var reservationId = await buyer.HeldAsync(show, seatNo);
            holds.Add(Stopwatch.GetElapsedTime(asked));
            asked = Stopwatch.GetTimestamp();
            (await buyer.PayAsync(reservationId)).Expect(201);
            payments.Add(Stopwatch.GetElapsedTime(asked));
        }
    }

    /// <summary>
    /// When seats beyond that number were held and paid, by the database's clock, which is this machine's: just before the commit.
    /// </summary>
    private static async Task<Dictionary<(int SeatNo, char Letter), DateTimeOffset>> CommitsAsync(Database database, Show show, int after)
    {
        var rows = await database.ColumnAsync<string>(
            """
            SELECT CONCAT(r.seat_no, ' H ', UNIX_TIMESTAMP(r.created_at)) FROM reservation r
              WHERE r.schedule_id = @schedule AND r.seat_no > @after
            UNION ALL
            SELECT CONCAT(r.seat_no, ' S ', UNIX_TIMESTAMP(p.created_at)) FROM reservation r
              JOIN payment p ON p.payment_id = r.payment_id WHERE r.schedule_id = @schedule AND r.seat_no > @after
            """,
            ("@schedule", show.ScheduleId), ("@after", after));
        return rows.Select(static row => row.Split(' ')).ToDictionary(
            static row => (int.Parse(row[0], CultureInfo.InvariantCulture), row[1][0]),
            static row => DateTimeOffset.UnixEpoch.AddSeconds(double.Parse(row[2], CultureInfo.InvariantCulture)));
    }

    private static string Times(IReadOnlyCollection<TimeSpan> times) =>
        $"median {times.Part(0.5).TotalMilliseconds:0} ms, p95 {times.Part(0.95).TotalMilliseconds:0} ms";

    private static TimeSpan ProcessorTime(Instance instance)
    {
        using var process = Process.GetProcessById(instance.Process.ProcessId);
        return process.TotalProcessorTime;
    }

    private static void Report(string line)
    {
        TestContext.Current?.Output.WriteLine(line);
        Console.Error.WriteLine($"seats: {line}");
    }
}
