using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Reservations;

public sealed class ListReservationsTests : SharedRigTests
{
    [Test]
    public async Task ListReservations_PageByPage_ShowsOwnNewestFirst()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var ids = new List<string>();
        for (var seatNo = 1; seatNo <= 3; seatNo++)
        {
            ids.Add(await visitor.HeldAsync(show, seatNo));
        }

        await (await Rig.NewVisitorAsync(show)).HeldAsync(show, seatNo: 4);
        ids.Reverse();

        var all = (await visitor.GetAsync("/v1/reservations")).Expect(200).ExpectMembers("items", "nextCursor");
        var first = (await visitor.GetAsync("/v1/reservations?limit=2")).Expect(200);
        visitor.Api = Rig.B.Api;
        var second = (await visitor.GetAsync($"/v1/reservations?limit=2&cursor={first.Value("nextCursor")}")).Expect(200);

        await Assert.That(Ids(all).SequenceEqual(ids)).IsTrue();
        await Assert.That(all.Json.IsNull("nextCursor")).IsTrue();
        await Assert.That(Ids(first).Concat(Ids(second)).SequenceEqual(ids)).IsTrue();
        await Assert.That(second.Json.IsNull("nextCursor")).IsTrue();
        all.Items()[0].ExpectMembers("reservationId", "bookingId", "scheduleId", "seatNo", "status", "price", "heldUntil");
    }

    [Test]
    public async Task ListReservations_EveryStatus_IsShown()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        await visitor.HeldAsync(show, seatNo: 1);
        var paid = await visitor.HeldAsync(show, seatNo: 2);
        var released = await visitor.HeldAsync(show, seatNo: 3);
        var expired = await visitor.HeldAsync(show, seatNo: 4);
        (await visitor.PayAsync(paid)).Expect(201);
        (await visitor.ReleaseAsync(released)).Expect(204);
        await Rig.Database.LetHoldPassAsync(expired);

        var items = (await visitor.GetAsync("/v1/reservations")).Expect(200).Items();

        await Assert.That(items.Select(item => item.Value("status")).SequenceEqual(["EXPIRED", "RELEASED", "CONFIRMED", "HELD"])).IsTrue();
    }

    [Test]
    public async Task ListReservations_NewUser_Returns200Empty()
    {
        var reply = (await Rig.NewVisitor().GetAsync("/v1/reservations")).Expect(200);

        await Assert.That(reply.Items()).IsEmpty();
        await Assert.That(reply.Json.IsNull("nextCursor")).IsTrue();
    }

    [Test]
    [Arguments("limit=0", "limit")]
    [Arguments("limit=-7", "limit")]
    [Arguments("limit=1000000", "limit")]
    [Arguments("cursor=garbage", "cursor")]
    public async Task ListReservations_InvalidQuery_Returns400(string query, string field) =>
        (await Rig.NewVisitor().GetAsync($"/v1/reservations?{query}")).ExpectInvalid(field);

    [Test]
    public async Task ListReservations_WithoutAccessToken_Returns401() =>
        (await Rig.A.Api.GetAsync("/v1/reservations")).ExpectProblem(401, "unauthorized");

    private static IEnumerable<string> Ids(Reply reply) => reply.Items().Select(item => item.Value("reservationId"));
}
