using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

public sealed class GetBookingTests : SharedRigTests
{
    [Test]
    public async Task GetBooking_Own_Returns200OnBothInstances()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 3, 9)).Expect(201);

        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            visitor.Api = instance.Api;
            await Assert.That((await visitor.BookingAsync(held.Value("bookingId"))).Expect(200).Text).IsEqualTo(held.Text);
        }
    }

    [Test]
    public async Task GetBooking_Paid_IsConfirmed()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        (await visitor.PayBookingAsync(bookingId)).Expect(201);

        var booking = (await visitor.BookingAsync(bookingId)).Expect(200);

        await Assert.That(booking.Value("status")).IsEqualTo("CONFIRMED");
        await Assert.That(booking.Seats()).IsEqualTo("1 CONFIRMED, 2 CONFIRMED");
        await Assert.That(booking.Number("total")).IsEqualTo(2 * show.Price);
        await Assert.That(booking.Number("extensionsLeft")).IsEqualTo(0);
        await Assert.That(await Rig.Database.BookingStatusAsync(bookingId)).IsEqualTo("CONFIRMED");
    }

    /// <summary>Nobody sweeps here.</summary>
    [Test]
    public async Task GetBooking_Overdue_IsExpiredAtOnce()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Roles"] = "api" });
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        await alone.Database.LetBookingPassAsync(bookingId);

        var booking = (await visitor.BookingAsync(bookingId)).Expect(200);

        await Assert.That(booking.Value("status")).IsEqualTo("EXPIRED");
        await Assert.That(booking.Seats()).IsEqualTo("1 EXPIRED, 2 EXPIRED");
        await Assert.That(booking.Number("extensionsLeft")).IsEqualTo(0);
        await Assert.That((await visitor.GetAsync("/v1/bookings")).Expect(200).Items()[0].Value("status")).IsEqualTo("EXPIRED");
        await Assert.That(await alone.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 HELD, 2 HELD");
    }

    [Test]
    public async Task GetBooking_SweptAway_IsExpiredAsAWhole()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 3);
        var visitor = await Rig.NewVisitorAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2, 3);
        await Rig.Database.LetBookingPassAsync(bookingId);

        await Eventually.GetAsync(() => Rig.Database.BookingStatusAsync(bookingId), static status => status == "EXPIRED");

        await Assert.That(await Rig.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 EXPIRED, 2 EXPIRED, 3 EXPIRED");
        await Assert.That((await visitor.BookingAsync(bookingId)).Expect(200).Seats()).IsEqualTo("1 EXPIRED, 2 EXPIRED, 3 EXPIRED");
        await visitor.ExpectListedAsync(show, "1 AVAILABLE, 2 AVAILABLE, 3 AVAILABLE");
    }

    [Test]
    public async Task GetBooking_OfAnotherUser_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var bookingId = await (await Rig.NewVisitorAsync(show)).HeldTogetherAsync(show, 1, 2);

        (await Rig.NewVisitor().BookingAsync(bookingId)).ExpectProblem(404, "booking_not_found");
        (await Rig.Admin.BookingAsync(bookingId)).ExpectProblem(404, "booking_not_found");
    }

    [Test]
    public async Task GetBooking_ReservationOfOneOfItsSeats_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);

        (await visitor.BookingAsync(held.ReservationOf(1))).ExpectProblem(404, "booking_not_found");
    }

    [Test]
    [Arguments("019a0000-0000-7000-8000-000000000000")]
    [Arguments("7")]
    [Arguments("not-an-id")]
    public async Task GetBooking_Unknown_Returns404(string bookingId) =>
        (await Rig.NewVisitor().BookingAsync(bookingId)).ExpectProblem(404, "booking_not_found");

    [Test]
    public async Task GetBooking_WithoutAccessToken_Returns401()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);

        (await Rig.A.Api.GetAsync($"/v1/bookings/{bookingId}")).ExpectProblem(401, "unauthorized");
        (await Rig.A.Api.GetAsync($"/v1/bookings/{bookingId}", visitor.InQueue())).ExpectProblem(401, "unauthorized");
    }
}
