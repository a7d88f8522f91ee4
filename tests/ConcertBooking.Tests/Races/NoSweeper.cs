using ConcertBooking.Tests.Faults;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>Nobody sweeps (<c>Roles=api</c>): a seat never waits for that.</summary>
[NotInParallel]
public sealed class NoSweeper : SharedRigTests
{
    private const string Overdue = "SELECT reservation_id, seat_no, held_expires_at FROM reservation WHERE status='HELD' AND held_expires_at < NOW()";
    private const string ExpireByHand = "UPDATE reservation SET status='EXPIRED' WHERE status='HELD' AND held_expires_at < NOW()";

    [Test]
    public async Task Hold_OfAnOverdueSeat_SucceedsForExactlyOne()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 2, ("Roles", "api"));
        var show = await fleet.Catalogue.AddShowAsync(seats: 1);
        var late = await fleet.NewVisitorAsync(show, points: show.Price);
        var lost = await late.HeldAsync(show);
        await LetAnHourPassAsync(fleet.Database);
        var users = new List<Visitor>();
        for (var number = 0; number < 100; number++)
        {
            users.Add(await fleet.NewVisitorAsync(show, member: number % 2));
        }

        await Assert.That(await fleet.Database.StatusAsync(lost)).IsEqualTo("HELD");
        await Assert.That(await AvailableAsync(fleet, show)).IsEqualTo(1);

        var replies = await Rush.AllHeardAsync(users, user => user.HoldAsync(show));

        var won = replies.ExpectOneWinner(409, "seat_taken").Value("reservationId");
        await fleet.Database.ExpectOneOwnerAsync(show, 1, won);
        await Assert.That(await fleet.Database.StatusAsync(lost)).IsEqualTo("EXPIRED");
        await Assert.That(await fleet.Database.EventTypesAsync(lost)).IsEquivalentTo(["reservation.held.v1", "reservation.expired.v1"]);
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
        await LetAnHourPassAsync(fleet.Database);

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

        await LetAnHourPassAsync(fleet.Database);

        await Assert.That((await fleet.Database.ColumnAsync<Guid>(Overdue)).Count).IsEqualTo(Seats);
        await Assert.That(await fleet.Database.ExecuteAsync(ExpireByHand)).IsEqualTo(Seats);

        await Assert.That((await fleet.Database.ColumnAsync<Guid>(Overdue)).Count).IsEqualTo(0);
        var users = new List<Visitor>();
        for (var number = 0; number < 30; number++)
        {
            users.Add(await fleet.NewVisitorAsync(show));
        }

        for (var seat = 1; seat <= Seats; seat++)
        {
            var replies = await Rush.AllHeardAsync(users.GetRange((seat - 1) * 10, 10), user => user.HoldAsync(show, seat));
            await fleet.Database.ExpectOneOwnerAsync(show, seat, replies.ExpectOneWinner(409, "seat_taken").Value("reservationId"));
        }
        await fleet.VerifyAsync();
    }

    private static async Task LetAnHourPassAsync(Database database)
    {
        await Database.LetSeatLocksPassAsync();
        await database.ExecuteAsync("UPDATE reservation SET held_expires_at = TIMESTAMPADD(HOUR, -1, NOW(3)) WHERE status = 'HELD'");
    }

    private static async Task<long> AvailableAsync(Fleet fleet, Show show) =>
        (await fleet[0].GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200).Number("availableSeats");
}
