using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Reservations;

public sealed class GetReservationTests : SharedRigTests
{
    [Test]
    public async Task GetReservation_Own_Returns200OnBothInstances()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldAsync(show, seatNo: 3)).Expect(201);

        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            visitor.Api = instance.Api;
            await Assert.That((await visitor.ReservationAsync(held.Value("reservationId"))).Expect(200).Text).IsEqualTo(held.Text);
        }
    }

    [Test]
    public async Task GetReservation_OfAnotherUser_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var reservationId = await (await Rig.NewVisitorAsync(show)).HeldAsync(show);

        (await Rig.NewVisitor().ReservationAsync(reservationId)).ExpectProblem(404, "reservation_not_found");
        (await Rig.Admin.ReservationAsync(reservationId)).ExpectProblem(404, "reservation_not_found");
    }

    [Test]
    [Arguments("019a0000-0000-7000-8000-000000000000")]
    [Arguments("7")]
    [Arguments("not-an-id")]
    public async Task GetReservation_Unknown_Returns404(string reservationId) =>
        (await Rig.NewVisitor().ReservationAsync(reservationId)).ExpectProblem(404, "reservation_not_found");

    [Test]
    public async Task GetReservation_WithoutAccessToken_Returns401()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var reservationId = await visitor.HeldAsync(show);

        (await Rig.A.Api.GetAsync($"/v1/reservations/{reservationId}")).ExpectProblem(401, "unauthorized");
        (await Rig.A.Api.GetAsync($"/v1/reservations/{reservationId}", visitor.InQueue())).ExpectProblem(401, "unauthorized");
    }
}
