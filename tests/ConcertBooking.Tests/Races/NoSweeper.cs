using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>Nobody sweeps (<c>Roles=api</c>): a seat never waits for that.</summary>
[NotInParallel]
public sealed class NoSweeper : SharedRigTests
{
    [Test]
    public async Task Hold_OfAnOverdueSeat_SucceedsForExactlyOne()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 2, ("Roles", "api"));
        var show = await fleet.Catalogue.AddShowAsync(seats: 1);
        var late = await fleet.NewVisitorAsync(show, points: show.Price);
        var lost = await late.HeldAsync(show);
        await fleet.Database.EndHoldsAsync(TimeSpan.FromHours(-1));
        var users = new List<Visitor>();
        for (var number = 0; number < 100; number++)
        {
            users.Add(await fleet.NewVisitorAsync(show, member: number % 2));
        }

        await Assert.That(await fleet.Database.StatusAsync(lost)).IsEqualTo("HELD");
        await Assert.That(await AvailableAsync(fleet, show)).IsEqualTo(1);

        var replies = await Rush.AllAnsweredAsync(users, user => user.HoldAsync(show));

        var won = replies.ExpectOneWinner(409, "seat_taken").Value("reservationId");
        await fleet.Database.ExpectOneOwnerAsync(show, 1, won);
        await Assert.That(await fleet.Database.StatusAsync(lost)).IsEqualTo("EXPIRED");
        await Assert.That(await fleet.Database.EventTypesAsync(lost)).IsEquivalentTo(["booking.held.v1", "booking.expired.v1"]);
        (await late.PayAsync(lost)).ExpectProblem(410, "hold_expired");
        (await late.ReleaseAsync(lost)).ExpectProblem(410, "hold_expired");
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task Hold_OfOnesOwnOverdueSeat_IsANewReservation()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1, ("Roles", "api"));
        var show = await fleet.Catalogue.AddShowAsync(seats: 1);
        var user = await fleet.NewVisitorAsync(show);
        var lost = await user.HeldAsync(show);
        await fleet.Database.EndHoldsAsync(TimeSpan.FromHours(-1));

        var again = await user.HeldAsync(show);

        await Assert.That(again).IsNotEqualTo(lost);
        await fleet.Database.ExpectOneOwnerAsync(show, 1, again);
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task ExpireByHand_ThenBook_AsTheRunbookPromises()
    {
        const int Seats = 3;
        await using var fleet = await Fleet.StartAsync(Rig, 1, ("Roles", "api"));
        var show = await fleet.Catalogue.AddShowAsync(Seats);
        var late = await fleet.NewVisitorAsync(show, points: show.Price);
        for (var seat = 1; seat <= Seats; seat++)
        {
            await late.HeldAsync(show, seat);
        }

        await fleet.Database.EndHoldsAsync(TimeSpan.FromHours(-1));

        var (found, expired) = await fleet.Database.ExpireByHandAsync();
        await Assert.That((found.Count, expired)).IsEqualTo((Seats, Seats));

        (found, expired) = await fleet.Database.ExpireByHandAsync();
        await Assert.That((found.Count, expired)).IsEqualTo((0, 0));
        var users = new List<Visitor>();
        for (var number = 0; number < 30; number++)
        {
            users.Add(await fleet.NewVisitorAsync(show));
        }

        for (var seat = 1; seat <= Seats; seat++)
        {
            var replies = await Rush.AllAnsweredAsync(users.GetRange((seat - 1) * 10, 10), user => user.HoldAsync(show, seat));
            await fleet.Database.ExpectOneOwnerAsync(show, seat, replies.ExpectOneWinner(409, "seat_taken").Value("reservationId"));
        }
        await fleet.VerifyAsync();
    }

    private static async Task<long> AvailableAsync(Fleet fleet, Show show) =>
        (await fleet[0].GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200).Number("availableSeats");
}
