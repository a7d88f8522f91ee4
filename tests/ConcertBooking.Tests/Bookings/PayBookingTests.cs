using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

public sealed class PayBookingTests : SharedRigTests
{
    private static readonly string[] Members = ["paymentId", "bookingId", "reservationId", "amount", "balance", "paidAt"];

    [Test]
    public async Task PayBooking_SeveralSeats_Returns201AndConfirmsThemAll()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 4, price: 30_000);
        var visitor = await Rig.NewVisitorAsync(show, points: 100_000);
        var bookingId = await visitor.HeldTogetherAsync(show, 4, 2, 1);

        var paid = (await visitor.PayBookingAsync(bookingId)).Expect(201).ExpectMembers(Members);

        await Assert.That(Guid.Parse(paid.Value("paymentId")).Version).IsEqualTo(7);
        await Assert.That(paid.Value("bookingId")).IsEqualTo(bookingId);
        await Assert.That(paid.Json.IsNull("reservationId")).IsTrue();
        await Assert.That(paid.Number("amount")).IsEqualTo(90_000);
        await Assert.That(paid.Number("balance")).IsEqualTo(10_000);
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(10_000);
        await Assert.That(await Rig.Database.SpentAsync(visitor.UserId)).IsEqualTo((1, 1, 90_000));
        var use = (await visitor.GetAsync("/v1/points/transactions")).Expect(200).Items()[0];
        await Assert.That($"{use.Value("type")} {use.Number("amount")} {use.Number("balance")}").IsEqualTo("USE 90000 10000");
        await Assert.That(use.Value("reference")).IsEqualTo(paid.Value("paymentId"));
        await Assert.That(await Rig.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 CONFIRMED, 2 CONFIRMED, 4 CONFIRMED");
        await Assert.That(await Rig.Database.BookingStatusAsync(bookingId)).IsEqualTo("CONFIRMED");
        await visitor.ExpectListedAsync(show, "1 SOLD, 2 SOLD, 3 AVAILABLE, 4 SOLD");
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task PayBooking_ByTheReservationOfOneOfItsSeats_PaysTheBooking()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 3 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);

        var paid = (await visitor.PayAsync(held.ReservationOf(2))).Expect(201).ExpectMembers(Members);

        await Assert.That(paid.Value("bookingId")).IsEqualTo(held.Value("bookingId"));
        await Assert.That(paid.Json.IsNull("reservationId")).IsTrue();
        await Assert.That(paid.Number("amount")).IsEqualTo(3 * show.Price);
        await Assert.That(await Rig.Database.SeatRowsAsync(held.Value("bookingId"))).IsEqualTo("1 CONFIRMED, 2 CONFIRMED, 3 CONFIRMED");
    }

    [Test]
    public async Task PayBooking_OfOneSeat_NamesItsReservation()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var (one, other) = (await visitor.HeldTogetherAsync(show, 1), await visitor.HeldAsync(show, seatNo: 2));

        foreach (var bookingId in (string[])[one, other])
        {
            var paid = (await visitor.PayBookingAsync(bookingId)).Expect(201);
            await Assert.That(paid.Value("bookingId")).IsEqualTo(bookingId);
            await Assert.That(paid.Value("reservationId")).IsEqualTo(bookingId);
        }
    }

    /// <summary>One seat is left of two: the payment is of one seat, whose reservation it names.</summary>
    [Test]
    public async Task PayBooking_OneSeatIsLeftOfTwo_NamesItsReservation()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        (await visitor.ReleaseAsync(held.ReservationOf(1))).Expect(204);

        var paid = (await visitor.PayBookingAsync(held.Value("bookingId"))).Expect(201);

        await Assert.That(paid.Value("reservationId")).IsEqualTo(held.ReservationOf(2));
        await Assert.That(paid.Number("amount")).IsEqualTo(show.Price);
        await Rig.VerifyAsync();
    }

    /// <summary>SQL writes the answer of the payment, and the record PaymentResponse the one of the read.</summary>
    [Test]
    [Arguments(1)]
    [Arguments(3)]
    public async Task PayBooking_Answer_HasTheMembersOfTheRecord(int seats)
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 4 * show.Price);

        var paid = (await visitor.PayBookingAsync(await visitor.HeldTogetherAsync(show, [.. Enumerable.Range(1, seats)]))).Expect(201).Json;

        var read = (await visitor.GetAsync($"/v1/payments/{paid.Value("paymentId")}")).Expect(200).Json;
        paid.ExpectMembers([.. read.EnumerateObject().Select(static member => member.Name)]);
        await Assert.That(paid.Moment("paidAt")).IsEqualTo(read.Moment("paidAt")); // trailing zeros may differ
        foreach (var member in read.EnumerateObject().Where(static member => member.Name != "paidAt"))
        {
            await Assert.That(paid.GetProperty(member.Name).GetRawText()).IsEqualTo(member.Value.GetRawText()).Because(member.Name);
        }
    }

    [Test]
    public async Task PayBooking_Repeated_ReturnsTheSameBytesOnBothInstances()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 5 * show.Price);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        var key = Visitor.NewKey();
        var first = (await visitor.PayBookingAsync(bookingId, key)).Expect(201);
        await Assert.That(first.Header("Idempotency-Replayed")).IsNull();

        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            visitor.Api = instance.Api;
            var repeat = (await visitor.PayBookingAsync(bookingId, key)).Expect(201);
            await Assert.That(repeat.Body.AsSpan().SequenceEqual(first.Body)).IsTrue();
            await Assert.That(repeat.Header("Idempotency-Replayed")).IsEqualTo("true");
        }

        await Assert.That(await Rig.Database.SpentAsync(visitor.UserId)).IsEqualTo((1, 1, 2 * show.Price));
    }

    [Test]
    public async Task PayBooking_KeyOfAnotherBody_Returns422()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 5 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        var other = await visitor.HeldTogetherAsync(show, 3, 4);
        var key = Visitor.NewKey();
        (await visitor.PayBookingAsync(held.Value("bookingId"), key)).Expect(201);

        (await visitor.PayBookingAsync(other, key)).ExpectProblem(422, "idempotency_key_reused");
        (await visitor.PayAsync(held.ReservationOf(1), key)).ExpectProblem(422, "idempotency_key_reused");

        await Assert.That(await Rig.Database.SeatRowsAsync(other)).IsEqualTo("3 HELD, 4 HELD");
    }

    [Test]
    public async Task PayBooking_TooFewPoints_Returns402ChangesNothingAndMayBeRetriedWithTheSameKey()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: (3 * show.Price) - 1);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);
        var bookingId = held.Value("bookingId");
        var key = Visitor.NewKey();

        (await visitor.PayBookingAsync(bookingId, key)).ExpectProblem(402, "insufficient_points");

        await Assert.That(await Rig.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 HELD, 2 HELD, 3 HELD");
        await Assert.That((await visitor.BookingAsync(bookingId)).Expect(200).Text).IsEqualTo(held.Text);
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo((3 * show.Price) - 1);
        await Assert.That(await Rig.Database.SpentAsync(visitor.UserId)).IsEqualTo((0, 0, 0));
        await Assert.That((await visitor.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
        (await visitor.ChargeAsync(1)).Expect(201);
        var retried = (await visitor.PayBookingAsync(bookingId, key)).Expect(201);
        await Assert.That(retried.Header("Idempotency-Replayed")).IsNull();
        await Assert.That(retried.Number("balance")).IsEqualTo(0);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task PayBooking_FreeSeats_Returns201WithoutPoints()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 0);
        var visitor = await Rig.NewVisitorAsync(show);

        var paid = (await visitor.PayBookingAsync(await visitor.HeldTogetherAsync(show, 1, 2))).Expect(201);

        await Assert.That($"{paid.Number("amount")} {paid.Number("balance")}").IsEqualTo("0 0");
    }

    [Test]
    public async Task PayBooking_PriceWasRaisedAfterTheHold_CostsWhatTheHoldSaid()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 10_000);
        var visitor = await Rig.NewVisitorAsync(show, points: 20_000);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"price":90000}""")).Expect(200);

        await Assert.That((await visitor.BookingAsync(bookingId)).Expect(200).Number("total")).IsEqualTo(20_000);
        await Assert.That((await visitor.PayBookingAsync(bookingId)).Expect(201).Number("amount")).IsEqualTo(20_000);
    }

    [Test]
    public async Task PayBooking_BothIdsOrNone_Returns400()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        var bookingId = held.Value("bookingId");

        foreach (var body in (string[])[
            "{}", """{"bookingId":null}""", """{"bookingId":""}""", """{"bookingId":7}""",
            $$"""{"bookingId":"{{bookingId}}","reservationId":"{{held.ReservationOf(1)}}"}""",
            $$"""{"bookingId":["{{bookingId}}"]}"""])
        {
            (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/payments", body, visitor.InQueue(("Idempotency-Key", Visitor.NewKey()))))
                .ExpectInvalid();
        }

        await Assert.That(await Rig.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 HELD, 2 HELD");
    }

    /// <summary>An empty id is as good as none.</summary>
    [Test]
    [Arguments("""{"bookingId":"","reservationId":"$"}""")]
    [Arguments("""{"bookingId":null,"reservationId":"$"}""")]
    [Arguments("""{"bookingId":"$","reservationId":""}""")]
    [Arguments("""{"bookingId":"$","reservationId":null}""")]
    public async Task PayBooking_OtherIdIsEmpty_PaysTheNamedOne(string body)
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var held = await visitor.HeldAsync(show);

        (await Rig.A.Api.SendAsync(
            HttpMethod.Post, "/v1/payments", body.Replace("$", held, StringComparison.Ordinal),
            visitor.InQueue(("Idempotency-Key", Visitor.NewKey())))).Expect(201);
    }

    [Test]
    public async Task PayBooking_WithoutKey_Returns400()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var body = $$"""{"bookingId":"{{await visitor.HeldTogetherAsync(show, 1, 2)}}"}""";

        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/payments", body, visitor.InQueue())).ExpectProblem(400, "idempotency_key_missing");
    }

    [Test]
    public async Task PayBooking_OfAnotherUser_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var owner = await Rig.NewVisitorAsync(show);
        var held = (await owner.HoldTogetherAsync(show, 1, 2)).Expect(201);
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);

        (await visitor.PayBookingAsync(held.Value("bookingId"))).ExpectProblem(404, "booking_not_found");
        (await visitor.PayAsync(held.ReservationOf(1))).ExpectProblem(404, "reservation_not_found");

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(2 * show.Price);
        await Assert.That(await Rig.Database.SeatRowsAsync(held.Value("bookingId"))).IsEqualTo("1 HELD, 2 HELD");
    }

    [Test]
    [Arguments("019a0000-0000-7000-8000-000000000000")]
    [Arguments("7")]
    public async Task PayBooking_Unknown_Returns404(string bookingId)
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());

        (await visitor.PayBookingAsync(bookingId)).ExpectProblem(404, "booking_not_found");
    }

    [Test]
    public async Task PayBooking_IdsOfTheOtherKind_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);

        (await visitor.PayBookingAsync(held.ReservationOf(1))).ExpectProblem(404, "booking_not_found");
        (await visitor.PayAsync(held.Value("bookingId"))).ExpectProblem(404, "reservation_not_found");
    }

    [Test]
    public async Task PayBooking_OverdueOrReleased_Returns410AndMovesNothing()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 4 * show.Price);
        var (overdue, released) = (await visitor.HeldTogetherAsync(show, 1, 2), await visitor.HeldTogetherAsync(show, 3, 4));
        await Rig.Database.LetBookingPassAsync(overdue);
        (await visitor.ReleaseBookingAsync(released)).Expect(204);

        (await visitor.PayBookingAsync(overdue)).ExpectProblem(410, "hold_expired");
        (await visitor.PayBookingAsync(released)).ExpectProblem(410, "hold_expired");

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(4 * show.Price);
    }

    [Test]
    public async Task PayBooking_WithTokenOfAnotherQueue_Returns403()
    {
        var (show, other) = (await Rig.Catalogue.AddShowAsync(), await Rig.Catalogue.AddShowAsync());
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        await visitor.AdmittedAsync(other);

        (await visitor.PayBookingAsync(bookingId)).ExpectProblem(403, "queue_token_not_active");

        await Assert.That(await Rig.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 HELD, 2 HELD");
    }

    /// <summary>By different keys, and by the booking and by each of its seats.</summary>
    [Test]
    public async Task PayBooking_AtOnceByDifferentKeys_PaysOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 20 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        await visitor.HeldTogetherAsync(show, 3); // keeps the place
        string[] bodies =
        [
            $$"""{"bookingId":"{{held.Value("bookingId")}}"}""",
            $$"""{"reservationId":"{{held.ReservationOf(1)}}"}""",
            $$"""{"reservationId":"{{held.ReservationOf(2)}}"}""",
        ];
        var keys = Enumerable.Range(0, 8).Select(static _ => Visitor.NewKey()).ToList();

        var replies = await Rush.AllAnsweredAsync(keys.Count, number => (number % 2 == 0 ? Rig.A : Rig.B).Api.SendAsync(
            HttpMethod.Post, "/v1/payments", bodies[number % bodies.Length], visitor.InQueue(("Idempotency-Key", keys[number]))));

        replies.ExpectOneWinner(409, "already_paid");
        await Assert.That(await Rig.Database.SpentAsync(visitor.UserId)).IsEqualTo((1, 1, 2 * show.Price));
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(18 * show.Price);
        await Rig.VerifyAsync();
    }

    /// <summary>A seat that is taken out meanwhile is either paid or free, and the amount is of those that are paid.</summary>
    [Test]
    public async Task PayBooking_WhileASeatIsTakenOut_ChargesWhatIsConfirmed()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 30, price: 10);
        await Rush.AllAtOnceAsync(10, async number =>
        {
            var visitor = await Rig.NewVisitorAsync(show, points: 100);
            var first = 1 + (3 * number);
            var bookingId = await visitor.HeldTogetherAsync(show, first, first + 1, first + 2);
            var seat = (await visitor.BookingAsync(bookingId)).Expect(200).ReservationOf(first + 1);

            var paying = Eventually.AnsweredAsync(() => visitor.PayBookingAsync(bookingId, key: bookingId));
            var released = await Eventually.AnsweredAsync(() => visitor.ReleaseAsync(seat));
            var paid = (await paying).Expect(201);

            var isOut = released.Status == 204;
            if (!isOut)
            {
                released.ExpectProblem(409, "already_paid");
            }

            await Assert.That(paid.Number("amount")).IsEqualTo(isOut ? 20 : 30);
            await Assert.That(await Rig.Database.StatusAsync(seat)).IsEqualTo(isOut ? "RELEASED" : "CONFIRMED");
            return isOut;
        });
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task PayBooking_LastUnpaid_UsesTheTokenUpAndHandsThePlaceOn()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        var visitor = await Rig.NewVisitorAsync(show, points: 4 * show.Price);
        var next = Rig.NewVisitor(Rig.B);
        await next.EnteredAsync(show.Queue);
        var (one, two) = (await visitor.HeldTogetherAsync(show, 1, 2), await visitor.HeldTogetherAsync(show, 3, 4));

        (await visitor.PayBookingAsync(one)).Expect(201);
        (await visitor.PlaceAsync()).Expect(200);
        await Assert.That((await next.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("WAITING");

        (await visitor.PayBookingAsync(two)).Expect(201);
        (await visitor.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
        (await visitor.HoldTogetherAsync(show, 5, 6)).ExpectProblem(410, "queue_token_expired");
        await Assert.That((await next.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
    }

    /// <summary>What a user holds it may pay until the hold ends, whatever has become of its place.</summary>
    [Test]
    public async Task PayBooking_PlaceIsGone_PaysWhatIsHeld()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 4 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        var other = (await visitor.HoldTogetherAsync(show, 3, 4)).Expect(201);
        (await visitor.LeaveAsync()).Expect(204);

        (await visitor.PayBookingAsync(Guid.NewGuid().ToString())).ExpectProblem(410, "queue_token_expired");
        (await visitor.PayBookingAsync(held.Value("bookingId"))).Expect(201);
        (await visitor.PayAsync(other.ReservationOf(4))).Expect(201);

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(0);
    }
}
