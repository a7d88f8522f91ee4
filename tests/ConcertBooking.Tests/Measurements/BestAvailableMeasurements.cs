using System.Diagnostics;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Measurements;

/// <summary>
/// Twenty buyers at a time in the largest hall, as it opens and when most of it is sold: once each as fast as it is answered, which
/// is as much as the machine can do, and once with a pause after each hold, as people have.
/// </summary>
[Category("Measurement"), Explicit, NotInParallel]
public sealed class BestAvailableMeasurements : SharedRigTests
{
    private const int Seats = 100_000, Buyers = 20, HoldsEach = 40, SeatsEach = 3;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(150);

    [Test]
    public async Task Hold_TwentyBuyersInTheLargestHall_ReadsFewRows()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?>
        {
            ["Roles"] = "api", // the events of one part would be sent during the next
            ["Holds__MaxPerUser"] = "1000",
            ["Purchases__MaxPerUser"] = "0",
        });
        var show = await alone.Catalogue.AddShowAsync(Seats);
        await MeasureAsync(alone, show, "warm-up", BestAsync);

        var read = await MeasureAsync(alone, show, "seats by number", NamedAsync);
        await MeasureAsync(alone, show, "seats by number, with pauses", NamedAgainAsync, Pause);
        await MeasureAsync(alone, show, "best available, hall nearly empty", BestAsync);
        await MeasureAsync(alone, show, "best available, hall nearly empty, with pauses", BestAsync, Pause);
        await alone.Database.SellByHandAsync(show, "CRC32(seat_no) % 10 < 7");
        await MeasureAsync(alone, show, "best available, 70 % sold at random", BestAsync);
        await MeasureAsync(alone, show, "best available, 70 % sold at random, with pauses", BestAsync, Pause);

        await Assert.That(read).IsLessThan(1_000); // those of the buyer; of all buyers there are thousands
    }

    private static Task<Reply> BestAsync(Visitor buyer, Show show, int number) =>
        buyer.HoldBestAsync(show, $$"""{"count":{{SeatsEach}}}""");

    /// <summary>From the end of the row, which the best available do not reach.</summary>
    private static Task<Reply> NamedAsync(Visitor buyer, Show show, int number)
    {
        var seats = Enumerable.Range(Seats - ((number + 1) * SeatsEach) + 1, SeatsEach);
        return buyer.Api.SendAsync(
            HttpMethod.Post, "/v1/bookings", $$"""{"scheduleId":{{show.ScheduleId}},"seatNos":[{{string.Join(',', seats)}}]}""",
            buyer.InQueue());
    }

    private static Task<Reply> NamedAgainAsync(Visitor buyer, Show show, int number) =>
        NamedAsync(buyer, show, (Buyers * HoldsEach) + number);

    /// <param name="pause">Between two holds of a buyer, on average.</param>
    /// <returns>How many rows MySQL read for a hold.</returns>
    private async Task<long> MeasureAsync(
        LoneInstance instance, Show show, string what, Func<Visitor, Show, int, Task<Reply>> hold, TimeSpan pause = default)
    {
        var buyers = await Task.WhenAll(Enumerable.Range(0, Buyers).Select(_ => Rig.NewVisitor(instance).AdmittedAsync(show)));
        using var process = Process.GetProcessById(instance.Process.ProcessId);
        var (started, used) = (Stopwatch.GetTimestamp(), process.TotalProcessorTime);
        var readBefore = await RowsReadAsync(instance.Database);
        var replies = (await Task.WhenAll(buyers.Index().Select(async buyer =>
        {
            var answers = new List<(TimeSpan Time, Reply Reply)>();
            for (var round = 0; round < HoldsEach; round++)
            {
                var asked = Stopwatch.GetTimestamp();
                var reply = await hold(buyer.Item, show, (buyer.Index * HoldsEach) + round);
                answers.Add((Stopwatch.GetElapsedTime(asked), reply));
                await Task.Delay(2 * pause * Random.Shared.NextDouble());
            }

            return answers;
        }))).SelectMany(static answers => answers).ToList();
        var elapsed = Stopwatch.GetElapsedTime(started);
        process.Refresh();
        var processor = (process.TotalProcessorTime - used) / replies.Count;
        var read = (await RowsReadAsync(instance.Database) - readBefore) / replies.Count;
        var times = replies.ConvertAll(static answer => answer.Time);
        TestContext.Current!.Output.WriteLine(
            $"{what}: median {times.Part(0.5).TotalMilliseconds:0.0} ms, p95 {times.Part(0.95).TotalMilliseconds:0.0} ms, "
                + $"{replies.Count / elapsed.TotalSeconds:0} a second, {processor.TotalMilliseconds:0.00} ms of processor, "
                + $"{read} rows read; "
                + replies.Select(static answer => answer.Reply).Tally());
        await Assert.That(replies.Count(static answer => answer.Reply.Status == 201)).IsGreaterThan(replies.Count * 9 / 10);
        return read;
    }

    /// <summary>What MySQL has read along indexes since it started: a plan by statistics of an empty table reads far too much.</summary>
    private static Task<long> RowsReadAsync(Database database) => database.ScalarAsync<long>(
        "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Handler_read_next'");
}
