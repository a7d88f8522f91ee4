using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

/// <summary>
/// During a rolling update instances of the build before write beside this one: reservations and payments without a booking.
/// </summary>
public sealed class AdoptReservationsTests : SharedRigTests
{
    [Test, Category("Long"), Explicit]
    public async Task Reservation_OfTheBuildBefore_IsABookingWithinSeconds()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var before = new BuildBefore(fleet.Database);
        var show = await fleet.Catalogue.AddShowAsync();
        var visitor = await fleet.NewVisitorAsync(show, points: show.Price);

        var held = await before.HoldAsync(show, visitor.UserId, seatNo: 3);

        var reservation = (await visitor.ReservationAsync(held)).Expect(200);
        await Assert.That((reservation.Value("bookingId"), reservation.Value("status"))).IsEqualTo((held, "HELD"));
        var booking = await Eventually.GetAsync(() => visitor.BookingAsync(held), static reply => reply.Status == 200);
        await Assert.That((booking.Value("status"), booking.Seats())).IsEqualTo(("HELD", "3 HELD"));
        await Assert.That(booking.Json.Moment("heldUntil")).IsEqualTo(reservation.Json.Moment("heldUntil"));
        (await Eventually.AnsweredAsync(() => visitor.PayBookingAsync(held, key: held))).Expect(201);
        await fleet.VerifyAsync();
    }

    [Test, Category("Long"), Explicit]
    public async Task Payment_OfTheBuildBefore_IsTheBookingsWithinSeconds()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var before = new BuildBefore(fleet.Database);
        var show = await fleet.Catalogue.AddShowAsync();
        var visitor = await fleet.NewVisitorAsync(show, points: 2 * show.Price);
        var theirs = await before.HoldAsync(show, visitor.UserId, seatNo: 1);
        var ours = await visitor.HeldAsync(show, seatNo: 2);

        foreach (var (seat, id) in new[] { theirs, ours }.Index())
        {
            var paymentId = await before.PayAsync(id);
            var booking = await Eventually.GetAsync(
                () => visitor.BookingAsync(id), static reply => reply.Status == 200 && reply.Value("status") == "CONFIRMED");
            await Assert.That(booking.Seats()).IsEqualTo($"{seat + 1} CONFIRMED");
            await ExpectPaymentAsync(fleet, visitor, paymentId, id);
            (await visitor.PayBookingAsync(id)).ExpectProblem(409, "already_paid");
        }

        await fleet.VerifyAsync();
    }

    /// <summary>That build lets a user pay one seat of several: the seat becomes a booking of its own, the others go on.</summary>
    [Test]
    public async Task Payment_OfOneSeatOfSeveralByTheBuildBefore_LeavesTheOthersHeld()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var before = new BuildBefore(fleet.Database);
        var show = await fleet.Catalogue.AddShowAsync();
        var visitor = await fleet.NewVisitorAsync(show, points: 3 * show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);
        var (bookingId, second) = (held.Value("bookingId"), held.ReservationOf(2));

        var paymentId = await before.PayAsync(second);

        await ExpectPaymentAsync(fleet, visitor, paymentId, second);
        await Assert.That((await visitor.BookingAsync(second)).Expect(200).Seats()).IsEqualTo("2 CONFIRMED");
        await Assert.That((await visitor.BookingAsync(bookingId)).Expect(200).Seats()).IsEqualTo("1 HELD, 3 HELD");
        await fleet.VerifyAsync();
        var paid = (await Eventually.AnsweredAsync(() => visitor.PayBookingAsync(bookingId, key: bookingId))).Expect(201);
        await Assert.That((paid.Number("amount"), paid.Number("balance"))).IsEqualTo((2 * show.Price, 0));
        await fleet.VerifyAsync();
    }

    /// <summary>No worker adopts here: what a call names it adopts itself.</summary>
    [Test]
    public async Task Reservation_NotYetAdopted_IsReadPaidReleasedExtendedAndExpired()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1, ("Roles", "api"));
        var before = new BuildBefore(fleet.Database);
        var show = await fleet.Catalogue.AddShowAsync();
        var visitor = await fleet.NewVisitorAsync(show, points: 2 * show.Price);
        var holds = new List<string>();
        for (var seat = 1; seat <= 4; seat++)
        {
            holds.Add(await before.HoldAsync(show, visitor.UserId, seat));
        }

        var listed = (await visitor.GetAsync("/v1/reservations")).Expect(200).Items();
        await Assert.That(listed.Select(static item => item.Value("reservationId"))).IsEquivalentTo(holds);
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM booking")).IsEqualTo(0);
        await Assert.That((await visitor.HoldAsync(show, 1)).Expect(200).Value("reservationId")).IsEqualTo(holds[0]);
        (await visitor.HoldAsync(show, 5)).ExpectProblem(409, "hold_limit_reached");

        (await visitor.ExtendAsync(holds[2])).Expect(200);
        (await visitor.ReleaseAsync(holds[1])).Expect(204);
        await Assert.That((await visitor.PayBookingAsync(holds[0])).Expect(201).Value("bookingId")).IsEqualTo(holds[0]);
        await fleet.Database.LetHoldPassAsync(holds[3]);
        var rival = await fleet.NewVisitorAsync(show);
        await Assert.That((await Eventually.AnsweredAsync(() => rival.HoldTogetherAsync(show, 4, 5))).IsWon).IsTrue();

        await Assert.That(string.Join(", ", await Task.WhenAll(holds.Select(fleet.Database.StatusAsync))))
            .IsEqualTo("CONFIRMED, RELEASED, HELD, EXPIRED");
        await Assert.That(await fleet.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation r JOIN booking b ON b.booking_id = r.booking_id AND b.status = r.status")).IsEqualTo(6);
        await fleet.VerifyAsync();
    }

    /// <summary>The payment is of the booking that has the reservation's id, once it is adopted.</summary>
    private static async Task ExpectPaymentAsync(Fleet fleet, Visitor visitor, string paymentId, string reservationId)
    {
        await Eventually.TrueAsync(async () => await fleet.Database.ScalarAsync<Guid>(
            "SELECT booking_id FROM payment WHERE payment_id = @id", ("@id", Guid.Parse(paymentId))) == Guid.Parse(reservationId));
        var payment = (await visitor.GetAsync($"/v1/payments/{paymentId}")).Expect(200);
        await Assert.That((payment.Value("bookingId"), payment.Value("reservationId"))).IsEqualTo((reservationId, reservationId));
    }
}
