using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Reservations;

public sealed class ReleaseSeatTests : SharedRigTests
{
    [Test]
    public async Task ReleaseSeat_Held_Returns204()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var reservationId = await visitor.HeldAsync(show);
        visitor.Api = Rig.B.Api;

        var reply = (await visitor.ReleaseAsync(reservationId)).Expect(204);

        await Assert.That(reply.Body).IsEmpty();
        await Assert.That((await visitor.ReservationAsync(reservationId)).Expect(200).Value("status")).IsEqualTo("RELEASED");
    }

    [Test]
    public async Task ReleaseSeat_OfAnotherUser_Returns404AndStaysHeld()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var reservationId = await (await Rig.NewVisitorAsync(show)).HeldAsync(show);

        (await Rig.NewVisitor().ReleaseAsync(reservationId)).ExpectProblem(404, "reservation_not_found");

        await Assert.That(await Rig.Database.StatusAsync(reservationId)).IsEqualTo("HELD");
    }

    [Test]
    [Arguments("019a0000-0000-7000-8000-000000000000")]
    [Arguments("7")]
    public async Task ReleaseSeat_Unknown_Returns404(string reservationId) =>
        (await Rig.NewVisitor().ReleaseAsync(reservationId)).ExpectProblem(404, "reservation_not_found");

    [Test]
    public async Task ReleaseSeat_Paid_Returns409()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        (await visitor.PayAsync(reservationId)).Expect(201);

        (await visitor.ReleaseAsync(reservationId)).ExpectProblem(409, "already_paid");

        await Assert.That(await Rig.Database.StatusAsync(reservationId)).IsEqualTo("CONFIRMED");
    }

    [Test]
    public async Task ReleaseSeat_Overdue_Returns410()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var reservationId = await visitor.HeldAsync(show);
        await Rig.Database.LetHoldPassAsync(reservationId);

        (await visitor.ReleaseAsync(reservationId)).ExpectProblem(410, "hold_expired");
    }

    [Test]
    public async Task ReleaseSeat_WithoutAccessToken_Returns401()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var reservationId = await (await Rig.NewVisitorAsync(show)).HeldAsync(show);

        (await Rig.A.Api.SendAsync(HttpMethod.Delete, $"/v1/reservations/{reservationId}")).ExpectProblem(401, "unauthorized");
    }
}
