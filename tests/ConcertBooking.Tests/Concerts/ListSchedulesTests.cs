using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Concerts;

public sealed class ListSchedulesTests : SharedRigTests
{
    [Test]
    public async Task ListSchedules_TwoSchedules_Returns200WithBoth()
    {
        var concertId = await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());
        var startsAt = new DateTimeOffset(2031, 5, 6, 19, 30, 0, TimeSpan.Zero);
        var second = await Rig.Catalogue.AddScheduleAsync(concertId, seats: 20, price: 0, startsAt.AddDays(1));
        var first = await Rig.Catalogue.AddScheduleAsync(concertId, seats: 30, price: 70_000, startsAt);

        var reply = (await Rig.A.Api.GetAsync($"/v1/concerts/{concertId}/schedules")).Expect(200).ExpectMembers("concertId", "items");

        await Assert.That(reply.Number("concertId")).IsEqualTo(concertId);
        var items = reply.Items().ToDictionary(item => item.Number("scheduleId"));
        await Assert.That(items.Keys).IsEquivalentTo([first, second]);
        items[first].ExpectMembers("scheduleId", "startsAt", "price", "seatCount", "availableSeats");
        await Assert.That(items[first].Moment("startsAt")).IsEqualTo(startsAt);
        await Assert.That(items[first].Number("price")).IsEqualTo(70_000);
        await Assert.That(items[first].Number("seatCount")).IsEqualTo(30);
        await Assert.That(items[first].Number("availableSeats")).IsEqualTo(30);
        await Assert.That(items[second].Number("price")).IsEqualTo(0);
    }

    [Test]
    public async Task ListSchedules_NoScheduleYet_Returns200Empty()
    {
        var concertId = await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());

        var reply = (await Rig.A.Api.GetAsync($"/v1/concerts/{concertId}/schedules")).Expect(200);

        await Assert.That(reply.Items()).IsEmpty();
    }

    [Test]
    public async Task ListSchedules_SeatHeld_CountsItWithin1S()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 5);
        var path = $"/v1/concerts/{show.ConcertId}/schedules";
        await Assert.That((await Rig.B.Api.GetAsync(path)).Expect(200).Items()[0].Number("availableSeats")).IsEqualTo(5);
        var visitor = await Rig.NewVisitorAsync(show);

        await visitor.HeldAsync(show);

        await Eventually.GetAsync(
            () => Rig.B.Api.GetAsync(path), reply => reply.Expect(200).Items()[0].Number("availableSeats") == 4, TimeSpan.FromSeconds(1));
    }

    [Test]
    [Arguments("0")]
    [Arguments("9223372036854775807")]
    public async Task ListSchedules_UnknownConcert_Returns404(string concertId) =>
        (await Rig.A.Api.GetAsync($"/v1/concerts/{concertId}/schedules")).ExpectProblem(404, "concert_not_found");

    [Test]
    public async Task ListSchedules_ConcertAddedAfterA404_ShowsWithin1S()
    {
        await using var alone = await Rig.StartAloneAsync();
        (await alone.Api.GetAsync("/v1/concerts/1/schedules")).ExpectProblem(404, "concert_not_found");

        await Assert.That(await alone.Catalogue.AddConcertAsync("main")).IsEqualTo(1);

        await Eventually.GetAsync(
            () => alone.Api.GetAsync("/v1/concerts/1/schedules"), reply => reply.Status == 200, TimeSpan.FromSeconds(1));
    }
}
