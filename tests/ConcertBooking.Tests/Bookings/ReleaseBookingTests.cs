using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

public sealed class ReleaseBookingTests : SharedRigTests
{
    [Test]
    public async Task ReleaseBooking_Held_Returns204AndAllItsSeatsAreFreeAtOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 4);
        var visitor = await Rig.NewVisitorAsync(show);
        var other = await Rig.NewVisitorAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2, 3);
        await (await other.HoldTogetherAsync(show, 3, 4)).ExpectTakenAsync(3);
        visitor.Api = Rig.B.Api;

        var reply = (await visitor.ReleaseBookingAsync(bookingId)).Expect(204);

        (await other.HoldTogetherAsync(show, 3, 4)).Expect(201);
        await Assert.That(reply.Body).IsEmpty();
        var booking = (await visitor.BookingAsync(bookingId)).Expect(200);
        await Assert.That(booking.Value("status")).IsEqualTo("RELEASED");
        await Assert.That(booking.Seats()).IsEqualTo("1 RELEASED, 2 RELEASED, 3 RELEASED");
        await Assert.That(booking.Number("extensionsLeft")).IsEqualTo(0);
        await Assert.That(await Rig.Database.BookingStatusAsync(bookingId)).IsEqualTo("RELEASED");
        await other.ExpectListedAsync(show, "1 AVAILABLE, 2 AVAILABLE, 3 HELD, 4 HELD");
        await Rig.VerifyAsync();
    }

    /// <summary>Each has a short lock in Redis once somebody lost it to its owner.</summary>
    [Test]
    public async Task ReleaseBooking_OthersLostItsSeats_CanBeHeldOneByOneAtOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var (visitor, other) = (await Rig.NewVisitorAsync(show), await Rig.NewVisitorAsync(show));
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        (await other.HoldAsync(show, seatNo: 1)).ExpectProblem(409, "seat_taken");
        (await other.HoldAsync(show, seatNo: 2)).ExpectProblem(409, "seat_taken");

        (await visitor.ReleaseBookingAsync(bookingId)).Expect(204);

        (await other.HoldAsync(show, seatNo: 1)).Expect(201);
        (await other.HoldAsync(show, seatNo: 2)).Expect(201);
    }

    [Test]
    public async Task ReleaseBooking_Repeated_Returns204AndLeavesTheSeatsToTheirNextOwner()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var (visitor, other) = (await Rig.NewVisitorAsync(show), await Rig.NewVisitorAsync(show));
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        (await visitor.ReleaseBookingAsync(bookingId)).Expect(204);
        var next = await other.HeldTogetherAsync(show, 1, 2);

        (await visitor.ReleaseBookingAsync(bookingId)).Expect(204);

        await Assert.That((await other.BookingAsync(next)).Expect(200).Seats()).IsEqualTo("1 HELD, 2 HELD");
        await (await visitor.HoldTogetherAsync(show, 1, 2)).ExpectTakenAsync(1, 2);
    }

    [Test]
    public async Task ReleaseSeat_OneOfABooking_TheOthersStayHeldAndAlonePayable()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 3, price: 10);
        var visitor = await Rig.NewVisitorAsync(show, points: 100);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);
        var (bookingId, released) = (held.Value("bookingId"), held.ReservationOf(2));

        (await visitor.ReleaseAsync(released)).Expect(204);
        (await visitor.ReleaseAsync(released)).Expect(204);

        var left = (await visitor.BookingAsync(bookingId)).Expect(200);
        await Assert.That(left.Value("status")).IsEqualTo("HELD");
        await Assert.That(left.Seats()).IsEqualTo("1 HELD, 3 HELD");
        await Assert.That(left.Number("total")).IsEqualTo(20);
        await Assert.That(left.Number("extensionsLeft")).IsEqualTo(1);
        await Assert.That((await visitor.ReservationAsync(released)).Expect(200).Value("status")).IsEqualTo("RELEASED");
        await visitor.ExpectListedAsync(show, "1 HELD, 2 AVAILABLE, 3 HELD");
        (await (await Rig.NewVisitorAsync(show)).HoldTogetherAsync(show, 2)).Expect(201);

        var paid = (await visitor.PayBookingAsync(bookingId)).Expect(201);
        await Assert.That(paid.Number("amount")).IsEqualTo(20);
        await Assert.That(paid.Number("balance")).IsEqualTo(80);
        await Assert.That(await Rig.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 CONFIRMED, 2 RELEASED, 3 CONFIRMED");
        await Assert.That((await visitor.BookingAsync(bookingId)).Expect(200).Seats()).IsEqualTo("1 CONFIRMED, 3 CONFIRMED");
        await visitor.ExpectListedAsync(show, "1 SOLD, 2 HELD, 3 SOLD");
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task ReleaseSeat_OneAfterTheOther_TheBookingIsReleasedWithTheLast()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        var bookingId = held.Value("bookingId");

        (await visitor.ReleaseAsync(held.ReservationOf(1))).Expect(204);
        await Assert.That(await Rig.Database.BookingStatusAsync(bookingId)).IsEqualTo("HELD");
        (await visitor.ReleaseAsync(held.ReservationOf(2))).Expect(204);

        await Assert.That(await Rig.Database.BookingStatusAsync(bookingId)).IsEqualTo("RELEASED");
        await Assert.That((await visitor.BookingAsync(bookingId)).Expect(200).Value("status")).IsEqualTo("RELEASED");
        (await visitor.ReleaseBookingAsync(bookingId)).Expect(204);
    }

    [Test]
    public async Task ReleaseBooking_OneSeatWasTakenOut_ReleasesTheRest()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var (visitor, other) = (await Rig.NewVisitorAsync(show), await Rig.NewVisitorAsync(show));
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);
        (await visitor.ReleaseAsync(held.ReservationOf(2))).Expect(204);
        var taken = await other.HeldTogetherAsync(show, 2);

        (await visitor.ReleaseBookingAsync(held.Value("bookingId"))).Expect(204);

        (await other.HoldTogetherAsync(show, 1, 3)).Expect(201);
        await Assert.That((await other.BookingAsync(taken)).Expect(200).Value("status")).IsEqualTo("HELD");
    }

    [Test]
    public async Task ReleaseBooking_Paid_Returns409AlsoForOneOfItsSeats()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        var bookingId = held.Value("bookingId");
        (await visitor.PayBookingAsync(bookingId)).Expect(201);

        (await visitor.ReleaseBookingAsync(bookingId)).ExpectProblem(409, "already_paid");
        (await visitor.ReleaseAsync(held.ReservationOf(2))).ExpectProblem(409, "already_paid");

        await Assert.That(await Rig.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 CONFIRMED, 2 CONFIRMED");
    }

    [Test]
    public async Task ReleaseBooking_PaidWithoutASeatThatWasTakenOut_Returns409()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        (await visitor.ReleaseAsync(held.ReservationOf(1))).Expect(204);
        (await visitor.PayBookingAsync(held.Value("bookingId"))).Expect(201);

        (await visitor.ReleaseBookingAsync(held.Value("bookingId"))).ExpectProblem(409, "already_paid");
    }

    [Test]
    public async Task ReleaseBooking_Overdue_Returns410AlsoForOneOfItsSeats()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        await Rig.Database.LetBookingPassAsync(held.Value("bookingId"));

        (await visitor.ReleaseBookingAsync(held.Value("bookingId"))).ExpectProblem(410, "hold_expired");
        (await visitor.ReleaseAsync(held.ReservationOf(1))).ExpectProblem(410, "hold_expired");
    }

    [Test]
    public async Task ReleaseBooking_OfAnotherUser_Returns404AndStaysHeld()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var bookingId = await (await Rig.NewVisitorAsync(show)).HeldTogetherAsync(show, 1, 2);

        (await Rig.NewVisitor().ReleaseBookingAsync(bookingId)).ExpectProblem(404, "booking_not_found");

        await Assert.That(await Rig.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 HELD, 2 HELD");
    }

    [Test]
    public async Task ReleaseBooking_ReservationOfOneOfItsSeats_Returns404AndStaysHeld()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);

        (await visitor.ReleaseBookingAsync(held.ReservationOf(1))).ExpectProblem(404, "booking_not_found");
        (await visitor.ReleaseAsync(held.Value("bookingId"))).ExpectProblem(404, "reservation_not_found");

        await Assert.That(await Rig.Database.SeatRowsAsync(held.Value("bookingId"))).IsEqualTo("1 HELD, 2 HELD");
    }

    [Test]
    [Arguments("019a0000-0000-7000-8000-000000000000")]
    [Arguments("7")]
    public async Task ReleaseBooking_Unknown_Returns404(string bookingId) =>
        (await Rig.NewVisitor().ReleaseBookingAsync(bookingId)).ExpectProblem(404, "booking_not_found");

    [Test]
    public async Task ReleaseBooking_WithoutAccessToken_Returns401()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var bookingId = await (await Rig.NewVisitorAsync(show)).HeldTogetherAsync(show, 1, 2);

        (await Rig.A.Api.SendAsync(HttpMethod.Delete, $"/v1/bookings/{bookingId}")).ExpectProblem(401, "unauthorized");
    }
}
