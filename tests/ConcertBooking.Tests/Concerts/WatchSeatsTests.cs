using System.Diagnostics;
using System.Runtime.InteropServices;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Concerts;

public sealed class WatchSeatsTests : SharedRigTests
{
    private static readonly TimeSpan Promised = Eventually.Promised(seconds: 1);

    [Test]
    public async Task WatchSeats_Snapshot_IsTheListOfSeats()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 12);
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var paid = await visitor.HeldAsync(show, seatNo: 3);
        await visitor.HeldAsync(show, seatNo: 12);
        (await visitor.PayAsync(paid)).Expect(201);

        await using var watcher = await SeatWatcher.OpenAsync(Rig.A.Api, show);

        await Assert.That(watcher.Events.ContentType).IsEqualTo("text/event-stream");
        await Assert.That(watcher.Letters).IsEqualTo("AASAAAAAAAAH");
        await Eventually.GetAsync(() => SeatWatcher.ListedAsync(Rig.A.Api, show), listed => listed == watcher.Letters, Promised);
    }

    [Test]
    public async Task WatchSeats_HoldPaymentReleaseExpiry_AreDeltas()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 5);
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        await using var watcher = await SeatWatcher.OpenAsync(Rig.B.Api, show); // the changes are made at the other instance

        var reservationId = await visitor.HeldAsync(show, seatNo: 2);
        var held = await watcher.NextAsync(within: Promised);
        await Assert.That(held.Data.GetRawText()).IsEqualTo("""{"seats":[[2,"H"]],"availableSeats":4}""");
        (await visitor.PayAsync(reservationId)).Expect(201);
        var sold = await watcher.NextAsync(within: Promised);
        await Assert.That(sold.Data.GetRawText()).IsEqualTo("""{"seats":[[2,"S"]],"availableSeats":4}""");

        var other = await Rig.NewVisitorAsync(show);
        reservationId = await other.HeldAsync(show, seatNo: 4);
        await watcher.NextAsync(within: Promised);
        (await other.ReleaseAsync(reservationId)).Expect(204);
        var released = await watcher.NextAsync(within: Promised);
        await Assert.That(released.Data.GetRawText()).IsEqualTo("""{"seats":[[4,"A"]],"availableSeats":4}""");
        await Assert.That(released.Id).IsEqualTo(sold.Id).Because("it is the same state again");

        reservationId = await other.HeldAsync(show, seatNo: 1);
        await watcher.ShowsAsync("HSAAA", Promised);
        await Rig.Database.LetHoldPassAsync(reservationId);
        await watcher.ShowsAsync("ASAAA", Promised);
    }

    /// <summary>Whatever happens in whatever order: deltas lead to the picture that a snapshot gives.</summary>
    [Test]
    public async Task WatchSeats_RandomHoldsAndReleases_DeltasLeadToTheSnapshot()
    {
        const int Seats = 130, Visitors = 8, Steps = 25; // three words of 64 seats
        var show = await Rig.Catalogue.AddShowAsync(seats: Seats);
        await using var one = await SeatWatcher.OpenAsync(Rig.A.Api, show);
        await using var other = await SeatWatcher.OpenAsync(Rig.B.Api, show);
        var started = Stopwatch.GetTimestamp();

        await Task.WhenAll(Enumerable.Range(0, Visitors).Select(async number =>
        {
            var random = new Random(number);
            var visitor = await Rig.NewVisitor(number % 2 == 0 ? Rig.A : Rig.B).AdmittedAsync(show);
            var held = new Queue<string>();
            for (var step = 0; step < Steps; step++)
            {
                if (held.Count > 3 || (held.Count > 0 && random.Next(2) == 0))
                {
                    (await visitor.ReleaseAsync(held.Dequeue())).Expect(204);
                }
                else if (await visitor.HoldAsync(show, random.Next(Seats) + 1) is { IsWon: true } reply)
                {
                    held.Enqueue(reply.Value("reservationId"));
                }
            }
        }));
        // Free seats have no live row, and nobody's hold ends during the test.
        var held = await Rig.Database.ColumnAsync<int>(
            "SELECT seat_no FROM reservation WHERE schedule_id = @schedule AND status = 'HELD'", ("@schedule", show.ScheduleId));
        var letters = string.Concat(Enumerable.Range(1, Seats).Select(seatNo => held.Contains(seatNo) ? 'H' : 'A'));

        var deltas = 0;
        while (one.Letters != letters)
        {
            await one.NextAsync(within: Promised);
            deltas++;
        }

        await Assert.That(deltas).IsLessThanOrEqualTo((int)(4 * Stopwatch.GetElapsedTime(started).TotalSeconds) + 1);
        await other.ShowsAsync(letters, Promised);
        await using var late = await SeatWatcher.OpenAsync(Rig.A.Api, show);
        await Assert.That(late.Letters).IsEqualTo(letters);
        await Assert.That((one.Id, other.Id)).IsEqualTo((late.Id, late.Id));
    }

    /// <summary>Their seats are read in another way, in which a hold that is over and not swept counts as live.</summary>
    [Test]
    public async Task WatchSeats_ThousandsSold_ShowsEveryState()
    {
        const int Sold = 5_100, Free = 5;
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Roles"] = "api" }); // nobody sweeps
        var show = await alone.Catalogue.AddShowAsync(seats: Sold + Free);
        await alone.Database.SellByHandAsync(show, $"seat_no <= {Sold}");
        await using var watcher = await SeatWatcher.OpenAsync(alone.Api, show);
        await Assert.That(watcher.Letters).IsEqualTo(new string('S', Sold) + "AAAAA");
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show, points: show.Price);

        var reservationId = await visitor.HeldAsync(show, Sold + 2);
        await ShowAsync("AHAAA");
        (await visitor.PayAsync(reservationId)).Expect(201);
        await ShowAsync("ASAAA");
        var other = await Rig.NewVisitor(alone).AdmittedAsync(show);
        reservationId = await other.HeldAsync(show, Sold + 5);
        await ShowAsync("ASAAH");
        (await other.ReleaseAsync(reservationId)).Expect(204);
        await ShowAsync("ASAAA");
        reservationId = await other.HeldAsync(show, Sold + 1);
        await ShowAsync("HSAAA");
        await alone.Database.LetHoldPassAsync(reservationId);
        await ShowAsync("ASAAA");
        await Assert.That(await alone.Database.StatusAsync(reservationId)).IsEqualTo("HELD");

        async Task ShowAsync(string last)
        {
            await watcher.NextAsync(within: Promised);
            await Assert.That(watcher.Letters).IsEqualTo(new string('S', Sold) + last);
        }
    }

    [Test]
    public async Task WatchSeats_TwoViewers_GetTheSameBytes()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 5);
        var visitor = await Rig.NewVisitorAsync(show);
        await using var one = await ServerEvents.OpenAsync(Rig.A.Api, SeatWatcher.PathOf(show));
        await using var other = await ServerEvents.OpenAsync(Rig.A.Api, SeatWatcher.PathOf(show));
        for (var seatNo = 0; seatNo <= 4; seatNo++)
        {
            if (seatNo > 0)
            {
                await visitor.HeldAsync(show, seatNo);
            }

            await Assert.That((await one.NextAsync()).Text).IsEqualTo((await other.NextAsync()).Text);
        }
    }

    [Test]
    public async Task WatchSeats_LastEventIdOfThisInstance_GetsDeltasOnly()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 8);
        var visitor = await Rig.NewVisitorAsync(show);
        var watcher = await SeatWatcher.OpenAsync(Rig.A.Api, show);
        await visitor.HeldAsync(show, seatNo: 1);
        await watcher.ShowsAsync("HAAAAAAA");
        await watcher.DisposeAsync();
        await visitor.HeldAsync(show, seatNo: 7);
        await visitor.HeldAsync(show, seatNo: 8);

        watcher = await watcher.ResumeAsync(Rig.A.Api, show);
        while (watcher.Letters != "HAAAAAHH")
        {
            await watcher.NextAsync();
        }

        await watcher.DisposeAsync();

        await using var again = await watcher.ResumeAsync(Rig.A.Api, show); // with nothing to report
        await visitor.HeldAsync(show, seatNo: 2);
        await Assert.That((await again.NextAsync()).Data.GetRawText()).IsEqualTo("""{"seats":[[2,"H"]],"availableSeats":4}""");
    }

    [Test]
    public async Task WatchSeats_LastEventIdOfTheOtherInstance_GetsDeltasOnly()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 4);
        var visitor = await Rig.NewVisitorAsync(show);
        var watcher = await SeatWatcher.OpenAsync(Rig.A.Api, show);
        await using var other = await SeatWatcher.OpenAsync(Rig.B.Api, show); // so that B has seen the state
        await Assert.That(other.Id).IsEqualTo(watcher.Id);
        await watcher.DisposeAsync();
        await visitor.HeldAsync(show, seatNo: 3);
        await other.ShowsAsync("AAHA");

        await using var resumed = await watcher.ResumeAsync(Rig.B.Api, show);

        await Assert.That((await resumed.NextAsync()).Data.GetRawText()).IsEqualTo("""{"seats":[[3,"H"]],"availableSeats":3}""");
        await Assert.That(resumed.Id).IsEqualTo(other.Id);
    }

    [Test]
    [Arguments("nonsense")]
    [Arguments("")]
    [Arguments("000000000000000000000000")]
    public async Task WatchSeats_UnknownLastEventId_GetsASnapshot(string id)
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 2);
        await using var events = await ServerEvents.OpenAsync(Rig.A.Api, SeatWatcher.PathOf(show), ("Last-Event-ID", id));

        await Assert.That((await events.NextAsync()).Data.GetRawText())
            .IsEqualTo($$"""{"scheduleId":{{show.ScheduleId}},"availableSeats":2,"states":"AA"}""");
    }

    /// <summary>As in the list of seats: a seat exists that has a row and a number up to seat_count.</summary>
    [Test]
    public async Task WatchSeats_SeatCountChangedByHand_SendsASnapshot()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 5);
        var visitor = await Rig.NewVisitorAsync(show);
        await visitor.HeldAsync(show, seatNo: 5);
        await using var watcher = await SeatWatcher.OpenAsync(Rig.A.Api, show);
        foreach (var (seatCount, letters) in ((int, string)[])[(3, "AAA"), (0, ""), (9, "AAAAH")])
        {
            await Rig.Database.ExecuteAsync(
                "UPDATE concert_schedule SET seat_count = @seatCount WHERE schedule_id = @schedule",
                ("@seatCount", seatCount), ("@schedule", show.ScheduleId));
            await watcher.NextAsync("snapshot");
            await Assert.That(watcher.Letters).IsEqualTo(letters);
        }

        await visitor.HeldAsync(show, seatNo: 1);
        await watcher.NextAsync();
        await using var resumed = await watcher.ResumeAsync(Rig.A.Api, show);
        await visitor.HeldAsync(show, seatNo: 2);
        await resumed.NextAsync();
        await Assert.That(resumed.Letters).IsEqualTo("HHAAH");
    }

    [Test]
    [Arguments("0")]
    [Arguments("9223372036854775807")]
    public async Task WatchSeats_UnknownSchedule_Returns404(string scheduleId) =>
        (await Rig.A.Api.GetAsync($"/v1/schedules/{scheduleId}/seats/events")).ExpectProblem(404, "schedule_not_found");

    [Test]
    public async Task WatchSeats_ConcertStarts_SendsClosedAndEnds()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 2);
        var visitor = await Rig.NewVisitorAsync(show);
        await using var watcher = await SeatWatcher.OpenAsync(Rig.A.Api, show);
        await visitor.HeldAsync(show, seatNo: 1);
        await watcher.ShowsAsync("HA");

        await Rig.Database.ExecuteAsync(
            "UPDATE concert_schedule SET starts_at = NOW(3) WHERE schedule_id = @schedule", ("@schedule", show.ScheduleId));

        await ExpectClosedAsync(watcher.Events);
        await using var late = await SeatWatcher.OpenAsync(Rig.A.Api, show);
        await Assert.That(late.Letters).IsEqualTo("HA");
        await ExpectClosedAsync(late.Events);
    }

    [Test]
    public async Task WatchSeats_Sigterm_EndsCleanlyWithRetry()
    {
        await using var instance = await Rig.StartAsync();
        var show = await Rig.Catalogue.AddShowAsync(seats: 3);
        await using var watcher = await SeatWatcher.OpenAsync(instance.Api, show);

        instance.Process.Signal(PosixSignal.SIGTERM);

        await watcher.Events.Ended.WaitAsync(Eventually.Patience);
        await Assert.That(watcher.Events.Retry).IsNotNull().And.IsBetween(2_000, 7_000);
        await Assert.That(await instance.Process.WaitForExitAsync().WaitAsync(Eventually.Promised(seconds: 10))).IsEqualTo(0);
    }

    /// <summary>Half of the connections: the rest is for those who buy.</summary>
    [Test]
    public async Task WatchSeats_TooManyStreams_Returns503UntilOneEnds()
    {
        const int Limit = 10;
        await using var instance = await Rig.StartAsync(new Dictionary<string, string?>
        {
            ["Limits__MaxConnections"] = $"{2 * Limit}",
            ["Limits__MaxConnectionsPerAddress"] = $"{2 * Limit}",
        });
        var show = await Rig.Catalogue.AddShowAsync(seats: 2);
        var watchers = new List<SeatWatcher>();
        try
        {
            while (watchers.Count < Limit)
            {
                watchers.Add(await SeatWatcher.OpenAsync(instance.Api, show));
            }

            (await instance.Api.GetAsync(SeatWatcher.PathOf(show))).ExpectProblem(503, "too_many_streams").ExpectRetryAfter();
            await Assert.That(await instance.OpenSeatStreamsAsync()).IsEqualTo(Limit);
            await watchers[0].DisposeAsync();
            await Eventually.TrueAsync(async () => await instance.OpenSeatStreamsAsync() == Limit - 1);
            watchers[0] = await SeatWatcher.OpenAsync(instance.Api, show);
        }
        finally
        {
            foreach (var watcher in watchers)
            {
                await watcher.DisposeAsync();
            }
        }
    }

    private static async Task ExpectClosedAsync(ServerEvents events)
    {
        var closed = await events.NextAsync();
        await Assert.That((closed.Name, closed.Data.Value("code"))).IsEqualTo(("closed", "schedule_closed"));
        await events.Ended.WaitAsync(Eventually.Patience);
        await Assert.That(events.Retry).IsNotNull().And.IsGreaterThan(3_600_000);
    }
}
