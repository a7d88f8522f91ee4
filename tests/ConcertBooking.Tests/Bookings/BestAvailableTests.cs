using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

/// <summary>The best available seats, held once for an idempotency key.</summary>
public sealed class BestAvailableTests : SharedRigTests
{
    private const string NoSeatsTogether = "no_seats_together", SoldOut = "sold_out", SeatTaken = "seat_taken";

    [Test]
    public async Task HoldBest_StillHall_IsTheMiddleAndTheAnswerIsTheBooking()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 10, price: 700);
        var visitor = await Rig.NewVisitorAsync(show);

        var held = (await AskAsync(visitor, show, """{"count":3}""")).Expect(201);

        await Assert.That(SeatNos(held)).IsEquivalentTo([4, 5, 6]);
        await Assert.That(held.Number("total")).IsEqualTo(2_100);
        await Assert.That(held.Header("Location")).IsEqualTo($"/v1/bookings/{held.Value("bookingId")}");
        var booking = (await visitor.GetAsync(held.Header("Location")!)).Expect(200);
        await Assert.That(JsonElement.DeepEquals(Comparable(held), Comparable(booking))).IsTrue()
            .Because($"{held.Text}\n{booking.Text}");
        await Assert.That(held.Json.Moment("heldUntil")).IsEqualTo(booking.Json.Moment("heldUntil"));
        await Assert.That(SeatNos((await AskAsync(await Rig.NewVisitorAsync(show), show, """{"count":2}""")).Expect(201)))
            .IsEquivalentTo([7, 8]);
    }

    /// <summary>The other instance's picture is as new: it follows holds and releases at once.</summary>
    [Test]
    public async Task HoldBest_SeatsTakenAndReleasedElsewhere_AreSeen()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 11);
        await TakeAsync(show, 5, 6, 7);
        var (first, second) = (await Rig.NewVisitorAsync(show), await Rig.NewVisitorAsync(show));
        var held = (await AskAsync(first, show, """{"count":2}""")).Expect(201);
        await Assert.That(SeatNos(held)).IsEquivalentTo([3, 4]);

        second.Api = Rig.B.Api;
        await Assert.That(SeatNos((await AskAsync(second, show, """{"count":2}""")).Expect(201))).IsEquivalentTo([8, 9]);
        (await first.SendAsync(HttpMethod.Delete, $"/v1/bookings/{held.Value("bookingId")}")).Expect(204);
        await Assert.That(SeatNos((await AskAsync(second, show, """{"count":2}""")).Expect(201))).IsEquivalentTo([3, 4]);
    }

    [Test]
    public async Task HoldBest_PlacesThatLeaveASingleSeat_AreTakenLast()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 9);
        await TakeAsync(show, 6);

        // 1 to 5 and 7 to 9: seats 4 and 5 are the nearest pair that leaves no single seat.
        await Assert.That(await HeldByNewAsync(show, """{"count":2}""")).IsEquivalentTo([4, 5]);
        // 1 to 3 and 7 to 9: any pair leaves a single seat; all three do not.
        await Assert.That(await HeldByNewAsync(show, """{"count":3}""")).IsEquivalentTo([1, 2, 3]);
        await Assert.That(await HeldByNewAsync(show, """{"count":2}""")).IsEquivalentTo([7, 8]);
    }

    [Test]
    public async Task HoldBest_NoRunIsLongEnough_IsRefusedUnlessTheGroupMayBeDivided()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 8);
        await TakeAsync(show, 3, 5, 6);
        var visitor = await Rig.NewVisitorAsync(show);

        (await AskAsync(visitor, show, """{"count":3}""")).ExpectProblem(409, NoSeatsTogether);
        var held = (await AskAsync(visitor, show, """{"count":3,"together":false}""")).Expect(201);
        await Assert.That(SeatNos(held)).IsEquivalentTo([1, 2, 4]); // two blocks: 7 and 8 are as far from the middle
        (await AskAsync(visitor, show, """{"count":3,"together":false}""")).ExpectProblem(409, SoldOut);
    }

    [Test]
    public async Task HoldBest_FewerSeatsThanAsked_IsSoldOut()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 4);
        await TakeAsync(show, 1, 2, 3);
        var visitor = await Rig.NewVisitorAsync(show);

        (await AskAsync(visitor, show, """{"count":2}""")).ExpectProblem(409, SoldOut);
        (await AskAsync(visitor, show, """{"count":1}""")).Expect(201);
        (await AskAsync(visitor, show, """{"count":1}""")).ExpectProblem(409, SoldOut);
    }

    [Test]
    public async Task HoldBest_RepeatedWithItsKey_GivesTheSameSeats()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 4, price: 10);
        var visitor = await Rig.NewVisitorAsync(show, points: 100);
        var key = Visitor.NewKey();
        (await AskAsync(visitor, show, """{"count":5}""", key)).ExpectProblem(409, SoldOut); // errors store nothing
        var first = (await AskAsync(visitor, show, """{"count":2}""", key)).Expect(201);

        await ExpectReplayAsync("while seats are left");
        (await AskAsync(visitor, show, """{"count":2,"together":false}""", key)).ExpectProblem(422, "idempotency_key_reused");
        (await AskAsync(visitor, show, """{"count":2}""")).Expect(201);
        await ExpectReplayAsync("when the show is sold out");
        foreach (var booking in await Rig.Database.ColumnAsync<Guid>(
            "SELECT booking_id FROM booking WHERE user_id = @user", ("@user", visitor.UserId)))
        {
            var paid = await Eventually.AnsweredAsync(() => visitor.Api.SendAsync(
                HttpMethod.Post, "/v1/payments", $$"""{"bookingId":"{{booking}}"}""",
                visitor.InQueue(("Idempotency-Key", $"{booking}"))));
            paid.Expect(201);
        }

        (await AskAsync(visitor, show, """{"count":1}""")).ExpectProblem(410, "queue_token_expired");
        await ExpectReplayAsync("when the queue token is used up");

        async Task ExpectReplayAsync(string when)
        {
            foreach (var instance in (Instance[])[Rig.A, Rig.B])
            {
                visitor.Api = instance.Api;
                var again = (await AskAsync(visitor, show, """{"count":2}""", key)).Expect(201);
                await Assert.That(again.Text).IsEqualTo(first.Text).Because(when);
                await Assert.That(again.Header("Idempotency-Replayed")).IsEqualTo("true").Because(when);
                await Assert.That(again.Header("Location")).IsEqualTo(first.Header("Location")).Because(when);
            }
        }
    }

    [Test]
    public async Task HoldBest_OneKeyManyTimesAtOnce_IsHeldOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 40);
        var visitor = await Rig.NewVisitorAsync(show);
        Visitor[] others = [.. new[] { Rig.A, Rig.B }.Select(instance =>
            new Visitor(instance.Api, visitor.UserId, visitor.AccessToken) { QueueToken = visitor.QueueToken })];
        var key = Visitor.NewKey();

        var replies = await Rush.AllAtOnceAsync(20, number => Eventually.GetAsync(
            () => others[number % 2].HoldBestAsync(show, """{"count":2}""", key),
            static reply => reply.Status != 503 && reply.Code != "idempotency_key_in_use"));

        await Assert.That(replies.Select(static reply => reply.Expect(201).Text).Distinct().Count()).IsEqualTo(1);
        await Assert.That(await LiveSeatsAsync(show)).Count().IsEqualTo(2);
    }

    [Test]
    [Arguments("""{"count":0}""", "bestAvailable.count")]
    [Arguments("""{"count":9}""", "bestAvailable.count")]
    [Arguments("""{"count":2,"grade":"R"}""", "bestAvailable.grade")]
    [Arguments("""{"count":2,"section":"A"}""", "bestAvailable.section")]
    public async Task HoldBest_WrongWish_IsInvalid(string wish, string field)
    {
        var show = await Rig.Catalogue.AddShowAsync();
        (await AskAsync(await Rig.NewVisitorAsync(show), show, wish)).ExpectInvalid(field);
    }

    [Test]
    public async Task HoldBest_BodyOrKeyMissing_IsRefused()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        (await HoldAsync(""","bestAvailable":{"count":2}""")).ExpectProblem(400, "idempotency_key_missing");
        (await HoldAsync("")).ExpectInvalid("seatNos");
        (await HoldAsync(""","seatNos":[1],"bestAvailable":{"count":2}""", ("Idempotency-Key", Visitor.NewKey()))).ExpectInvalid("seatNos");
        await Assert.That(await LiveSeatsAsync(show)).IsEmpty();
        (await AskAsync(await Rig.NewVisitorAsync(show), show with { ScheduleId = long.MaxValue }, """{"count":1}"""))
            .ExpectProblem(404, "schedule_not_found");

        Task<Reply> HoldAsync(string more, params (string, string)[] headers) => visitor.Api.SendAsync(
            HttpMethod.Post, "/v1/bookings", $$"""{"scheduleId":{{show.ScheduleId}}{{more}}}""", visitor.InQueue(headers));
    }

    [Test]
    public async Task HoldBest_AnotherQueue_IsNotAdmitted()
    {
        var (show, other) = (await Rig.Catalogue.AddShowAsync(seats: 1), await Rig.Catalogue.AddShowAsync());
        var visitor = await Rig.NewVisitorAsync(other);

        (await AskAsync(visitor, show, """{"count":1}""")).ExpectProblem(403, "queue_token_not_active");
        await TakeAsync(show, 1);
        (await AskAsync(visitor, show, """{"count":1}""")).ExpectProblem(403, "queue_token_not_active");
    }

    [Test]
    public async Task HoldBest_MoreThanTheUserMayHave_IsRefused()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 10);
        var visitor = await Rig.NewVisitorAsync(show);
        (await AskAsync(visitor, show, """{"count":5}""")).ExpectProblem(409, "hold_limit_reached");
        (await AskAsync(visitor, show, """{"count":3}""")).Expect(201);
        (await AskAsync(visitor, show, """{"count":2}""")).ExpectProblem(409, "hold_limit_reached");

        await Rig.Database.ExecuteAsync(
            "UPDATE concert_schedule SET max_per_user = 3 WHERE schedule_id = @schedule", ("@schedule", show.ScheduleId));
        (await AskAsync(visitor, show, """{"count":1}""")).ExpectProblem(409, "purchase_limit_reached");
        await Assert.That(await LiveSeatsAsync(show)).Count().IsEqualTo(3);
    }

    /// <summary>
    /// Groups with room for a part of them, over two instances. No seat becomes free again, so a refusal that was true once is still
    /// true in the end.
    /// </summary>
    [Test]
    public async Task HoldBest_CrowdOnTwoInstances_NoSeatTwiceAndNoFalseRefusal()
    {
        const int Groups = 40, Seats = 60;
        var show = await Rig.Catalogue.AddShowAsync(Seats);
        var visitors = await Rig.AdmittedAsync(show, Groups, points: 0, Rig.A, Rig.B);
        var keys = visitors.ToDictionary(static visitor => visitor, static _ => Visitor.NewKey());
        var sizes = visitors.Index().ToDictionary(static indexed => indexed.Item, static indexed => 1 + (indexed.Index % 4));

        var replies = await Rush.AllAnsweredAsync(
            visitors, visitor => visitor.HoldBestAsync(show, $$"""{"count":{{sizes[visitor]}}}""", keys[visitor]));

        Console.WriteLine(replies.Tally());
        var seats = await LiveSeatsAsync(show);
        var won = replies.Where(static reply => reply.Status == 201).ToList();
        await Assert.That(won.SelectMany(SeatNos)).IsEquivalentTo(seats); // each once
        var longest = string.Concat(Enumerable.Range(1, Seats).Select(seat => seats.Contains(seat) ? 'x' : '.'))
            .Split('x').Max(static run => run.Length);
        foreach (var (visitor, reply) in visitors.Zip(replies))
        {
            if (reply.Status == 201)
            {
                var held = SeatNos(reply);
                await Assert.That(held).IsEquivalentTo(Enumerable.Range(held.Min(), sizes[visitor]));
            }
            else if (reply.Code != SeatTaken)
            {
                reply.ExpectProblem(409, reply.Code is SoldOut ? SoldOut : NoSeatsTogether);
                await Assert.That(longest).IsLessThan(sizes[visitor]);
            }
        }

        await Assert.That(seats.Count).IsGreaterThan(Seats / 2);
        await Rig.VerifyAsync();
    }

    /// <summary>Asks again after a 503, with the same key.</summary>
    private static Task<Reply> AskAsync(Visitor visitor, Show show, string wish, string? key = null)
    {
        key ??= Visitor.NewKey();
        return Eventually.AnsweredAsync(() => visitor.HoldBestAsync(show, wish, key));
    }

    private async Task<IReadOnlyList<int>> HeldByNewAsync(Show show, string wish) =>
        SeatNos((await AskAsync(await Rig.NewVisitorAsync(show), show, wish)).Expect(201));

    /// <summary>Other users hold these seats, asked of one instance.</summary>
    private async Task TakeAsync(Show show, params int[] seatNos)
    {
        foreach (var some in seatNos.Chunk(4))
        {
            var visitor = await Rig.NewVisitorAsync(show);
            var reply = await Eventually.AnsweredAsync(() => visitor.Api.SendAsync(
                HttpMethod.Post, "/v1/bookings", $$"""{"scheduleId":{{show.ScheduleId}},"seatNos":[{{string.Join(',', some)}}]}""",
                visitor.InQueue()));
            await Assert.That(reply.IsWon).IsTrue().Because(reply.Text);
        }
    }

    private Task<IReadOnlyList<int>> LiveSeatsAsync(Show show) => Rig.Database.ColumnAsync<int>(
        "SELECT seat_no FROM reservation WHERE schedule_id = @schedule AND live = 1 ORDER BY seat_no", ("@schedule", show.ScheduleId));

    private static List<int> SeatNos(Reply reply) => [.. reply.Items("seats").Select(static seat => (int)seat.Number("seatNo"))];

    /// <summary>Without the moment, which may be written with fewer digits.</summary>
    private static JsonElement Comparable(Reply reply) =>
        JsonElement.Parse(reply.Text.Replace(reply.Value("heldUntil"), "", StringComparison.Ordinal));
}
