using System.Globalization;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

public sealed class HoldBookingTests : SharedRigTests
{
    /// <summary>Nobody sweeps the database of such an instance.</summary>
    private static readonly Dictionary<string, string?> ApiOnly = new() { ["Roles"] = "api" };

    private static readonly string[] Members = ["bookingId", "scheduleId", "status", "total", "heldUntil", "extensionsLeft", "seats"];

    [Test]
    public async Task HoldBooking_FreeSeats_Returns201WithLocation()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 42_000);
        var visitor = await Rig.NewVisitorAsync(show);
        var before = TimeProvider.System.GetUtcNow();

        var reply = (await visitor.HoldTogetherAsync(show, 8, 7, 3)).Expect(201).ExpectMembers(Members);

        var bookingId = reply.Value("bookingId");
        await Assert.That(Guid.Parse(bookingId).Version).IsEqualTo(7);
        await Assert.That(reply.Number("scheduleId")).IsEqualTo(show.ScheduleId);
        await Assert.That(reply.Value("status")).IsEqualTo("HELD");
        await Assert.That(reply.Number("total")).IsEqualTo(126_000);
        await Assert.That(reply.Json.Moment("heldUntil") - before).IsBetween(TimeSpan.FromSeconds(295), TimeSpan.FromSeconds(330));
        await Assert.That(reply.Number("extensionsLeft")).IsEqualTo(1);
        await Assert.That(reply.Seats()).IsEqualTo("3 HELD, 7 HELD, 8 HELD");
        foreach (var seat in reply.Items("seats"))
        {
            seat.ExpectMembers("reservationId", "seatNo", "section", "row", "label", "grade", "price", "status");
            await Assert.That(seat.Number("price")).IsEqualTo(42_000);
            var reservation = (await visitor.ReservationAsync(seat.Value("reservationId"))).Expect(200);
            await Assert.That(reservation.Value("bookingId")).IsEqualTo(bookingId);
            await Assert.That(reservation.Number("seatNo")).IsEqualTo(seat.Number("seatNo"));
            await Assert.That(reservation.Json.Moment("heldUntil")).IsEqualTo(reply.Json.Moment("heldUntil"));
        }

        await Assert.That(new Uri(Rig.A.Api.Address, reply.Header("Location")!).AbsolutePath).IsEqualTo($"/v1/bookings/{bookingId}");
        await Assert.That((await visitor.GetAsync(reply.Header("Location")!)).Expect(200).Text).IsEqualTo(reply.Text);
        await Assert.That(await Rig.Database.BookingStatusAsync(bookingId)).IsEqualTo("HELD");
    }

    [Test]
    public async Task HoldBooking_SameSeatsInAnotherOrderOnTheOtherInstance_Returns200SameBooking()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var first = (await visitor.HoldTogetherAsync(show, 2, 5, 9)).Expect(201);
        visitor.Api = Rig.B.Api;

        var again = (await visitor.HoldTogetherAsync(show, 9, 2, 5)).Expect(200);

        await Assert.That(again.Text).IsEqualTo(first.Text);
        await Assert.That(await Rig.Database.MadeAsync(visitor.UserId)).IsEqualTo((1, 3));
    }

    [Test]
    public async Task HoldBooking_SameSeatsOfAnExtendedBooking_Returns200AsItIsNow()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        (await visitor.ExtendAsync(bookingId)).Expect(200);

        var again = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(200);

        await Assert.That(again.Text).IsEqualTo((await visitor.BookingAsync(bookingId)).Expect(200).Text);
    }

    /// <summary>200 would mean that exactly these seats can be paid, but the booking has others.</summary>
    [Test]
    public async Task HoldBooking_SomeOfOnesOwnSeats_Returns409NamingThem()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2, 3);

        await (await visitor.HoldTogetherAsync(show, 1, 2)).ExpectTakenAsync(1, 2);
        await (await visitor.HoldTogetherAsync(show, 3)).ExpectTakenAsync(3);

        await Assert.That((await visitor.BookingAsync(bookingId)).Expect(200).Seats()).IsEqualTo("1 HELD, 2 HELD, 3 HELD");
    }

    [Test]
    public async Task HoldBooking_MoreThanOnesOwnSeats_Returns409NamingThem()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 4);
        var visitor = await Rig.NewVisitorAsync(show);
        await visitor.HeldTogetherAsync(show, 1, 2);

        await (await visitor.HoldTogetherAsync(show, 1, 2, 3)).ExpectTakenAsync(1, 2);

        await Assert.That(await Rig.Database.MadeAsync(visitor.UserId)).IsEqualTo((1, 2));
        await visitor.ExpectListedAsync(show, "1 HELD, 2 HELD, 3 AVAILABLE, 4 AVAILABLE");
    }

    [Test]
    public async Task HoldBooking_SeatsOfTwoOfOnesOwnBookings_Returns409NamingThem()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        await visitor.HeldTogetherAsync(show, 1);
        await visitor.HeldTogetherAsync(show, 2);

        await (await visitor.HoldTogetherAsync(show, 1, 2)).ExpectTakenAsync(1, 2);
    }

    /// <summary>The seat that was taken out is free, and asking for all of them again does not put it back.</summary>
    [Test]
    public async Task HoldBooking_WhatIsLeftOfABooking_Returns200AndAllOfIt409()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);
        (await visitor.ReleaseAsync(held.ReservationOf(2))).Expect(204);

        var left = (await visitor.HoldTogetherAsync(show, 3, 1)).Expect(200);

        await Assert.That(left.Text).IsEqualTo((await visitor.BookingAsync(held.Value("bookingId"))).Expect(200).Text);
        await (await visitor.HoldTogetherAsync(show, 1, 2, 3)).ExpectTakenAsync(1, 3);
    }

    [Test]
    public async Task HoldBooking_SomeTaken_Returns409NamingThemAndKeepsNothing()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 5);
        var owner = await Rig.NewVisitorAsync(show, points: show.Price);
        (await owner.PayBookingAsync(await owner.HeldTogetherAsync(show, 4))).Expect(201);
        await (await Rig.NewVisitorAsync(show)).HeldAsync(show, seatNo: 2);
        var late = await Rig.NewVisitorAsync(show);

        await (await late.HoldTogetherAsync(show, 1, 2, 3, 4)).ExpectTakenAsync(2, 4);
        late.Api = Rig.B.Api;
        await (await late.HoldTogetherAsync(show, 5, 4)).ExpectTakenAsync(4);

        await Assert.That(await Rig.Database.MadeAsync(late.UserId)).IsEqualTo((0, 0));
        await late.ExpectListedAsync(show, "1 AVAILABLE, 2 HELD, 3 AVAILABLE, 4 SOLD, 5 AVAILABLE");
        (await late.HoldTogetherAsync(show, 1, 3, 5)).Expect(201);
        await Rig.VerifyAsync();
    }

    /// <summary>Neighbours want each other's seats, in both orders and on two instances: each gets all of his or nothing.</summary>
    [Test]
    public async Task HoldBooking_OverlappingAtOnce_EachGetsAllOrNothing()
    {
        const int Seats = 12;
        var show = await Rig.Catalogue.AddShowAsync(seats: Seats);
        var visitors = await Rig.AdmittedAsync(show, 24, 0, Rig.A, Rig.B);

        var replies = await Rush.AllAnsweredAsync(visitors.Length, number =>
        {
            var (one, next) = (1 + (number / 2), 1 + (((number / 2) + 1) % Seats));
            return visitors[number].HoldTogetherAsync(show, number % 2 == 0 ? [one, next] : [next, one]);
        });

        Console.WriteLine(replies.Tally());
        var won = replies.Where(static reply => reply.IsWon).ToList();
        await Assert.That(won).IsNotEmpty();
        foreach (var lost in replies.Where(static reply => !reply.IsWon))
        {
            lost.ExpectProblem(409, "seat_taken");
        }

        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation WHERE schedule_id = @schedule", ("@schedule", show.ScheduleId))).IsEqualTo(2 * won.Count);
        await Assert.That(won.SelectMany(static reply => reply.Items("seats")).Select(static seat => seat.Number("seatNo")))
            .HasDistinctItems();
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task HoldBooking_OverdueSeatAmongThem_TakesItAndTheOldBookingExpiresAsAWhole()
    {
        await using var alone = await Rig.StartAloneAsync(ApiOnly);
        var show = await alone.Catalogue.AddShowAsync(seats: 6);
        var first = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var overdue = await first.HeldTogetherAsync(show, 1, 2, 3);
        await alone.Database.LetBookingPassAsync(overdue);
        var second = await Rig.NewVisitor(alone).AdmittedAsync(show);

        (await second.HoldTogetherAsync(show, 4, 3)).Expect(201);

        await Assert.That(await alone.Database.SeatRowsAsync(overdue)).IsEqualTo("1 EXPIRED, 2 EXPIRED, 3 EXPIRED");
        await Assert.That(await alone.Database.BookingStatusAsync(overdue)).IsEqualTo("EXPIRED");
        await Assert.That((await first.BookingAsync(overdue)).Expect(200).Value("status")).IsEqualTo("EXPIRED");
        await second.ExpectListedAsync(show, "1 AVAILABLE, 2 AVAILABLE, 3 HELD, 4 HELD, 5 AVAILABLE, 6 AVAILABLE");
        (await first.HoldTogetherAsync(show, 1, 2)).Expect(201);

        // Two overdue bookings at once.
        await alone.Database.EndHoldsAsync(TimeSpan.FromSeconds(-1));
        var third = await Rig.NewVisitor(alone).AdmittedAsync(show);
        (await third.HoldTogetherAsync(show, 2, 3, 5)).Expect(201);
        await third.ExpectListedAsync(show, "1 AVAILABLE, 2 HELD, 3 HELD, 4 AVAILABLE, 5 HELD, 6 AVAILABLE");
    }

    [Test, Category("Long"), Explicit]
    public async Task HoldBooking_ExpiredByHand_Returns201AlsoForItsOwner()
    {
        await using var alone = await Rig.StartAloneAsync(ApiOnly);
        var show = await alone.Catalogue.AddShowAsync();
        var first = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var overdue = await first.HeldTogetherAsync(show, 1, 2, 3);
        await alone.Database.LetBookingPassAsync(overdue);

        var (_, expired) = await alone.Database.ExpireByHandAsync();

        await Assert.That(expired).IsEqualTo(3);
        var again = (await first.HoldTogetherAsync(show, 1, 2)).Expect(201);
        await Assert.That(again.Value("bookingId")).IsNotEqualTo(overdue);
        (await (await Rig.NewVisitor(alone).AdmittedAsync(show)).HoldTogetherAsync(show, 3, 4)).Expect(201);
    }

    [Test]
    public async Task HoldBooking_OfOneSeat_IsAReservationWithTheSameId()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        var booking = (await visitor.HoldTogetherAsync(show, 4)).Expect(201);

        var bookingId = booking.Value("bookingId");
        await Assert.That(booking.ReservationOf(4)).IsEqualTo(bookingId);
        var reservation = (await visitor.ReservationAsync(bookingId)).Expect(200);
        await Assert.That(reservation.Value("bookingId")).IsEqualTo(bookingId);
        await Assert.That(reservation.Value("reservationId")).IsEqualTo(bookingId);
        await Assert.That((await visitor.HoldAsync(show, seatNo: 4)).Expect(200).Text).IsEqualTo(reservation.Text);
    }

    [Test]
    public async Task HoldBooking_SeatHeldAsAReservation_IsThatBooking()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var reservation = (await visitor.HoldAsync(show, seatNo: 4)).Expect(201);

        var booking = (await visitor.BookingAsync(reservation.Value("reservationId"))).Expect(200).ExpectMembers(Members);

        await Assert.That(booking.Value("bookingId")).IsEqualTo(reservation.Value("bookingId"));
        await Assert.That(booking.Seats()).IsEqualTo("4 HELD");
        await Assert.That(booking.Number("total")).IsEqualTo(show.Price);
        await Assert.That((await visitor.HoldTogetherAsync(show, 4)).Expect(200).Text).IsEqualTo(booking.Text);
    }

    [Test]
    public async Task HoldSeat_OneOfOnesOwnBooking_Returns200WithItsReservation()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var booking = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);

        var reservation = (await visitor.HoldAsync(show, seatNo: 2)).Expect(200);

        await Assert.That(reservation.Value("reservationId")).IsEqualTo(booking.ReservationOf(2));
        await Assert.That(reservation.Value("bookingId")).IsEqualTo(booking.Value("bookingId"));
    }

    [Test]
    public async Task HoldBooking_MoreSeatsThanAUserMayHold_Returns409()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"maxPerUser":0}""")).Expect(200);
        var visitor = await Rig.NewVisitorAsync(show);

        (await visitor.HoldTogetherAsync(show, 1, 2, 3, 4, 5)).ExpectProblem(409, "hold_limit_reached");
        await Assert.That(await Rig.Database.MadeAsync(visitor.UserId)).IsEqualTo((0, 0));
        var three = await visitor.HeldTogetherAsync(show, 1, 2, 3);
        (await visitor.HoldTogetherAsync(show, 4, 5)).ExpectProblem(409, "hold_limit_reached");
        (await visitor.HoldTogetherAsync(show, 4)).Expect(201);
        (await visitor.HoldTogetherAsync(show, 3, 2, 1)).Expect(200);

        (await visitor.ReleaseBookingAsync(three)).Expect(204);
        (await visitor.HoldTogetherAsync(show, 1, 2, 5)).Expect(201);
    }

    [Test]
    public async Task HoldBooking_MoreSeatsThanAUserMayHaveOfASchedule_Returns409()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 10);
        var visitor = await Rig.NewVisitorAsync(show, points: 30);
        (await visitor.PayBookingAsync(await visitor.HeldTogetherAsync(show, 1, 2, 3))).Expect(201);
        await visitor.AdmittedAsync(show);

        (await visitor.HoldTogetherAsync(show, 4, 5)).ExpectProblem(409, "purchase_limit_reached");
        await Assert.That(await Rig.Database.MadeAsync(visitor.UserId)).IsEqualTo((1, 3));
        (await visitor.HoldTogetherAsync(show, 4)).Expect(201);

        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"maxPerUser":2}""")).Expect(200);
        var other = await Rig.NewVisitorAsync(show);
        (await other.HoldTogetherAsync(show, 5, 6, 7)).ExpectProblem(409, "purchase_limit_reached");
        (await other.HoldTogetherAsync(show, 5, 6)).Expect(201);
    }

    /// <summary>The answers and the events are written by SQL, into columns that have an end.</summary>
    [Test]
    public async Task HoldBooking_AsManySeatsAsCanBeAllowed_CanBePaid()
    {
        await using var generous = await Rig.StartAsync(new Dictionary<string, string?>
        {
            ["Bookings__MaxSeats"] = "50",
            ["Holds__MaxPerUser"] = "50",
            ["Purchases__MaxPerUser"] = "50",
        });
        var show = await Rig.Catalogue.AddShowAsync(seats: 1100);
        var visitor = await Rig.NewVisitorAsync(show, points: 50 * show.Price);
        visitor.Api = generous.Api;
        IReadOnlyList<int> seatNos = [.. Enumerable.Range(1001, 51)];

        (await visitor.HoldTogetherAsync(show, seatNos)).ExpectInvalid("seatNos");
        var held = await Eventually.AnsweredAsync(() => visitor.HoldTogetherAsync(show, [.. seatNos.Take(50).Reverse()]));

        await Assert.That(held.Seats()).IsEqualTo(string.Join(", ", seatNos.Take(50).Select(static seatNo => $"{seatNo} HELD")));
        var bookingId = held.Value("bookingId");
        var paid = await Eventually.AnsweredAsync(() => visitor.PayBookingAsync(bookingId, key: bookingId));
        await Assert.That(paid.Expect(201).Number("amount")).IsEqualTo(50 * show.Price);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task HoldBooking_WithSettingBookingsMaxSeats_RefusesMore()
    {
        await using var strict = await Rig.StartAsync(new Dictionary<string, string?> { ["Bookings__MaxSeats"] = "2" });
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        visitor.Api = strict.Api;

        (await visitor.HoldTogetherAsync(show, 1, 2, 3)).ExpectInvalid("seatNos");
        (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
    }

    [Test]
    [Arguments(1, 11)]
    [Arguments(11, 1)]
    [Arguments(2_147_483_647, 2)]
    public async Task HoldBooking_UnknownSeatAmongThem_Returns404AndKeepsNothing(int one, int other)
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 10);
        var visitor = await Rig.NewVisitorAsync(show);

        (await visitor.HoldTogetherAsync(show, one, other)).ExpectProblem(404, "seat_not_found");

        await Assert.That(await Rig.Database.MadeAsync(visitor.UserId)).IsEqualTo((0, 0));
    }

    [Test]
    public async Task HoldBooking_UnknownSchedule_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();

        (await (await Rig.NewVisitorAsync(show)).HoldTogetherAsync(show with { ScheduleId = long.MaxValue }, 1, 2))
            .ExpectProblem(404, "schedule_not_found");
    }

    [Test]
    public async Task HoldBooking_ConcertHasStarted_Returns409Closed()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var started = await Rig.Catalogue.AddScheduleAsync(show.ConcertId, startsAt: TimeProvider.System.GetUtcNow().AddMinutes(-1));

        (await (await Rig.NewVisitorAsync(show)).HoldTogetherAsync(show with { ScheduleId = started }, 1, 2))
            .ExpectProblem(409, "schedule_closed");
    }

    [Test]
    public async Task HoldBooking_OutsideTheSale_Returns409()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        await SetAsync("salesOpenAt", TimeSpan.FromSeconds(60));
        var soon = (await visitor.HoldTogetherAsync(show, 1, 2)).ExpectProblem(409, "sales_not_open");
        await Assert.That(int.Parse(soon.Header("Retry-After")!, CultureInfo.InvariantCulture)).IsBetween(1, 60);
        await SetAsync("salesOpenAt", TimeSpan.FromSeconds(-2));
        var held = await visitor.HeldTogetherAsync(show, 1, 2);
        await SetAsync("salesCloseAt", TimeSpan.FromSeconds(-1));
        (await visitor.HoldTogetherAsync(show, 3, 4)).ExpectProblem(409, "sales_closed");
        await Assert.That((await visitor.HoldTogetherAsync(show, 1, 2)).Expect(200).Value("bookingId")).IsEqualTo(held);

        async Task SetAsync(string member, TimeSpan fromNow)
        {
            var time = (TimeProvider.System.GetUtcNow() + fromNow).UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
            (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", $$"""{"{{member}}":"{{time}}"}"""))
                .Expect(200);
        }
    }

    [Test]
    public async Task HoldBooking_WithoutOrWithForgedQueueToken_Returns401()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = Rig.NewVisitor();

        (await visitor.HoldTogetherAsync(show, 1, 2)).ExpectProblem(401, "queue_token_missing");
        (await visitor.PostAsync("/v1/bookings", $$"""{"scheduleId":{{show.ScheduleId}},"seatNos":[1,2]}"""))
            .ExpectProblem(401, "queue_token_missing");
        await visitor.AdmittedAsync(show);
        visitor.QueueToken = visitor.QueueToken![..^4] + "AAAA";
        (await visitor.HoldTogetherAsync(show, 1, 2)).ExpectProblem(401, "queue_token_invalid");
    }

    [Test]
    public async Task HoldBooking_PlaceHasEnded_Returns410()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        (await visitor.LeaveAsync()).Expect(204);

        (await visitor.HoldTogetherAsync(show, 1, 2)).ExpectProblem(410, "queue_token_expired");
    }

    [Test]
    public async Task HoldBooking_AdmissionIsOver_Returns410()
    {
        var show = await Rig.Catalogue.AddShowAsync(activeSeconds: 1);
        var visitor = await Rig.NewVisitorAsync(show);
        await Eventually.GetAsync(visitor.PlaceAsync, static place => place.Status == 410);

        (await visitor.HoldTogetherAsync(show, 1, 2)).ExpectProblem(410, "queue_token_expired");
    }

    [Test]
    public async Task HoldBooking_WaitingOrWithTokenOfAnotherQueue_Returns403()
    {
        var (show, other) = (await Rig.Catalogue.AddShowAsync(maxActive: 1), await Rig.Catalogue.AddShowAsync());
        await Rig.NewVisitorAsync(show);
        var waiting = Rig.NewVisitor();
        await waiting.EnteredAsync(show.Queue);
        var elsewhere = await Rig.NewVisitorAsync(other);

        (await waiting.HoldTogetherAsync(show, 1, 2)).ExpectProblem(403, "queue_token_not_active");
        (await elsewhere.HoldTogetherAsync(show, 1, 2)).ExpectProblem(403, "queue_token_not_active");

        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM booking WHERE schedule_id = @schedule", ("@schedule", show.ScheduleId))).IsEqualTo(0);
    }

    [Test]
    [Arguments("""{"scheduleId":1,"seatNos":[]}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":[1,2,1]}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":[1,2,3,4,5,6,7,8,9]}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":[0,1]}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":[1,-1]}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":null}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":7}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":"1,2"}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":{"0":1}}""", "seatNos")]
    [Arguments("""{"scheduleId":1,"seatNos":["1"]}""", null)]
    [Arguments("""{"scheduleId":1,"seatNos":[1.5]}""", null)]
    [Arguments("""{"scheduleId":1,"seatNos":[1,null]}""", null)]
    [Arguments("""{"scheduleId":1,"seatNos":[[1]]}""", null)]
    [Arguments("""{"scheduleId":1,"seatNos":[99999999999]}""", null)]
    [Arguments("""{"scheduleId":"1","seatNos":[1]}""", "scheduleId")]
    [Arguments("""{"scheduleId":0,"seatNos":[1]}""", "scheduleId")]
    [Arguments("""{"scheduleId":1,"seatNo":1}""", null)]
    [Arguments("""{"seatNos":[1]}""", null)]
    [Arguments("{}", null)]
    [Arguments("[]", null)]
    [Arguments("""{"scheduleId":1,"seatNos":[1}""", null)]
    public async Task HoldBooking_MalformedBody_Returns400(string body, string? field)
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());

        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/bookings", body, visitor.InQueue())).ExpectInvalid(field);
    }
}
