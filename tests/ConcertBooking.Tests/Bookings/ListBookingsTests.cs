using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

public sealed class ListBookingsTests : SharedRigTests
{
    /// <summary>A page ends between two bookings, however many seats they have.</summary>
    [Test]
    public async Task ListBookings_PageByPage_ShowsOwnNewestFirst()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        List<string> ids =
        [
            await visitor.HeldAsync(show, seatNo: 4),
            await visitor.HeldTogetherAsync(show, 1, 2),
            await visitor.HeldTogetherAsync(show, 3),
        ];
        await (await Rig.NewVisitorAsync(show)).HeldTogetherAsync(show, 5, 6);
        ids.Reverse();

        var all = (await visitor.GetAsync("/v1/bookings")).Expect(200).ExpectMembers("items", "nextCursor");
        var first = (await visitor.GetAsync("/v1/bookings?limit=2")).Expect(200);
        visitor.Api = Rig.B.Api;
        var second = (await visitor.GetAsync($"/v1/bookings?limit=2&cursor={first.Value("nextCursor")}")).Expect(200);

        await Assert.That(Ids(all)).IsEqualTo(string.Join(' ', ids));
        await Assert.That(all.Json.IsNull("nextCursor")).IsTrue();
        await Assert.That($"{Ids(first)} {Ids(second)}").IsEqualTo(string.Join(' ', ids));
        await Assert.That(first.Items()).Count().IsEqualTo(2);
        await Assert.That(second.Json.IsNull("nextCursor")).IsTrue();
        foreach (var item in all.Items())
        {
            await Assert.That(item.GetRawText()).IsEqualTo((await visitor.BookingAsync(item.Value("bookingId"))).Expect(200).Text);
        }
    }

    [Test]
    public async Task ListBookings_ExactlyOnePage_HasNoCursor()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        await visitor.HeldTogetherAsync(show, 1, 2);
        await visitor.HeldTogetherAsync(show, 3, 4);

        var reply = (await visitor.GetAsync("/v1/bookings?limit=2")).Expect(200);

        await Assert.That(reply.Items()).Count().IsEqualTo(2);
        await Assert.That(reply.Json.IsNull("nextCursor")).IsTrue();
    }

    [Test]
    public async Task ListBookings_CursorOfAnotherUser_ShowsNothingOfTheirs()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var (visitor, other) = (await Rig.NewVisitorAsync(show), await Rig.NewVisitorAsync(show));
        await visitor.HeldTogetherAsync(show, 1);
        await visitor.HeldTogetherAsync(show, 2);
        await other.HeldTogetherAsync(show, 3);
        var cursor = (await visitor.GetAsync("/v1/bookings?limit=1")).Expect(200).Value("nextCursor");

        await Assert.That((await other.GetAsync($"/v1/bookings?cursor={cursor}")).Expect(200).Items()).IsEmpty();
    }

    [Test]
    public async Task ListBookings_EveryStatus_IsShownWithItsTotal()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 10);
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"maxPerUser":0}""")).Expect(200);
        var visitor = await Rig.NewVisitorAsync(show, points: 20);
        var kept = await visitor.HeldTogetherAsync(show, 1);
        (await visitor.PayBookingAsync(await visitor.HeldTogetherAsync(show, 2, 3))).Expect(201);
        (await visitor.ReleaseBookingAsync(await visitor.HeldTogetherAsync(show, 4, 5, 6))).Expect(204);
        await Rig.Database.LetBookingPassAsync(await visitor.HeldTogetherAsync(show, 7, 8));
        var held = (await visitor.HoldTogetherAsync(show, 8, 9, 10)).Expect(201);
        (await visitor.ReleaseAsync(held.ReservationOf(9))).Expect(204);

        var items = (await visitor.GetAsync("/v1/bookings")).Expect(200).Items();

        await Assert.That(string.Join("; ", items.Select(static item => $"{item.Value("status")} {item.Number("total")}: {item.Seats()}")))
            .IsEqualTo(
                "HELD 20: 8 HELD, 10 HELD; EXPIRED 20: 7 EXPIRED, 8 EXPIRED; RELEASED 30: 4 RELEASED, 5 RELEASED, 6 RELEASED; "
                + "CONFIRMED 20: 2 CONFIRMED, 3 CONFIRMED; HELD 10: 1 HELD");
        await Assert.That(items[^1].Value("bookingId")).IsEqualTo(kept);
    }

    [Test]
    public async Task ListBookings_NewUser_Returns200Empty()
    {
        var reply = (await Rig.NewVisitor().GetAsync("/v1/bookings")).Expect(200);

        await Assert.That(reply.Items()).IsEmpty();
        await Assert.That(reply.Json.IsNull("nextCursor")).IsTrue();
    }

    [Test]
    [Arguments("limit=0", "limit")]
    [Arguments("limit=-7", "limit")]
    [Arguments("limit=1000000", "limit")]
    [Arguments("cursor=garbage", "cursor")]
    public async Task ListBookings_InvalidQuery_Returns400(string query, string field) =>
        (await Rig.NewVisitor().GetAsync($"/v1/bookings?{query}")).ExpectInvalid(field);

    [Test]
    public async Task ListBookings_CursorOfAnotherList_Returns400()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        await visitor.HeldTogetherAsync(show, 1, 2);
        var cursor = (await visitor.GetAsync("/v1/reservations?limit=1")).Expect(200).Value("nextCursor");

        (await visitor.GetAsync($"/v1/bookings?cursor={cursor}")).ExpectInvalid("cursor");
    }

    [Test]
    public async Task ListBookings_WithoutAccessToken_Returns401() =>
        (await Rig.A.Api.GetAsync("/v1/bookings")).ExpectProblem(401, "unauthorized");

    private static string Ids(Reply reply) => string.Join(' ', reply.Items().Select(static item => item.Value("bookingId")));
}
