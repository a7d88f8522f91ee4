using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>A thousand users, one seat; and the seats of a whole schedule.</summary>
[NotInParallel]
public sealed class OneSeat : SharedRigTests
{
    [Test]
    public async Task Hold_ThousandUsersOnTwoInstances_OneOwner()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 1);
        var users = await Rig.AdmittedAsync(show, 1000, points: 0, Rig.A, Rig.B);

        var replies = await Rush.AllAnsweredAsync(users, user => user.HoldAsync(show));

        var won = replies.ExpectOneWinner(409, "seat_taken");
        foreach (var loser in replies.Where(static reply => reply.Status == 409))
        {
            await loser.ExpectTakenAsync(1);
        }

        await Rig.Database.ExpectOneOwnerAsync(show, 1, won.Value("reservationId"));
        await ExpectSeatAsync(show, "HELD");
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Hold_OneUserHundredTimesAtOnce_OneReservation()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 1);
        var user = await Rig.NewVisitorAsync(show);

        var replies = await Rush.AllAnsweredAsync(100, number => Both(number).SendAsync(
            HttpMethod.Post, "/v1/reservations", $$"""{"scheduleId":{{show.ScheduleId}},"seatNo":1}""", user.InQueue()));

        await Assert.That(replies.Tally()).IsEqualTo("99 × 200, 1 × 201");
        await Assert.That(replies.Select(reply => reply.Text).Distinct().Count()).IsEqualTo(1);
        await Rig.Database.ExpectOneOwnerAsync(show, 1, replies[0].Value("reservationId"));
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Hold_OneUserTenSeatsAtOnce_NoMoreThanTheLimit()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 10);
        var user = await Rig.NewVisitorAsync(show);

        var replies = await Rush.AllAnsweredAsync(10, number => Both(number).SendAsync(
            HttpMethod.Post, "/v1/reservations", $$"""{"scheduleId":{{show.ScheduleId}},"seatNo":{{number + 1}}}""", user.InQueue()));

        await Assert.That(replies.Tally()).IsEqualTo("4 × 201, 6 × 409 hold_limit_reached");
        await Rig.VerifyAsync();
    }

    private const int Tries = 5;

    [Test]
    public async Task Hold_TwoThousandUsersFiftySeatsWithRetries_FiftyOwners()
    {
        const int Seats = 50;
        var show = await Rig.Catalogue.AddShowAsync(Seats);
        var users = await Rig.AdmittedAsync(show, 2000, points: 0, Rig.A, Rig.B);

        var won = await Rush.AllAtOnceAsync(users, user => PickAsync(user, show));

        var reservations = won.OfType<string>().ToArray();
        await Assert.That(reservations.Distinct().Count()).IsEqualTo(Seats);
        await Assert.That(reservations.Length).IsEqualTo(Seats);
        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(DISTINCT seat_no, user_id) FROM reservation WHERE schedule_id = @schedule",
            ("@schedule", show.ScheduleId))).IsEqualTo(Seats);
        for (var seat = 1; seat <= Seats; seat++)
        {
            await Rig.Database.ExpectOneOwnerAsync(show, seat, null);
        }

        await Rig.VerifyAsync();
    }

    /// <summary>Tries seats in an order of the user's own until one is its own.</summary>
    private static async Task<string?> PickAsync(Visitor user, Show show)
    {
        var seats = Enumerable.Range(1, show.SeatCount).ToArray();
        new Random((int)user.UserId).Shuffle(seats);
        foreach (var seat in seats.Take(Tries))
        {
            var reply = await Eventually.AnsweredAsync(() => user.HoldAsync(show, seat));
            if (reply.IsWon)
            {
                return reply.Value("reservationId");
            }

            reply.ExpectProblem(409, "seat_taken");
        }
        return null;
    }

    [Test]
    public async Task HoldAndRelease_ManyUsersOneSeat_NeverTwoOwners()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 1);
        var users = await Rig.AdmittedAsync(show, 20, points: 0, Rig.A, Rig.B);
        var owners = 0;
        var turns = 0;

        await Rush.AllAtOnceAsync(users, async user =>
        {
            for (var attempt = 0; attempt < 40; attempt++)
            {
                var reply = await Eventually.AnsweredAsync(() => user.HoldAsync(show));
                if (!reply.IsWon)
                {
                    reply.ExpectProblem(409, "seat_taken");
                    continue;
                }
                if (Interlocked.Increment(ref owners) != 1)
                {
                    Assert.Fail("Two owners at once.");
                }

                Interlocked.Increment(ref turns);
                Interlocked.Decrement(ref owners);
                (await Eventually.AnsweredAsync(() => user.ReleaseAsync(reply.Value("reservationId")))).Expect(204);
            }
            return true;
        });

        await Assert.That(turns).IsGreaterThan(1);
        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation WHERE schedule_id = @schedule AND status = 'RELEASED'",
            ("@schedule", show.ScheduleId))).IsEqualTo(turns);
        await ExpectSeatAsync(show, "AVAILABLE");
        await Rig.VerifyAsync();
    }

    private Api Both(int number) => (number % 2 == 0 ? Rig.A : Rig.B).Api;

    /// <summary>The seat list shows it within the second that is promised.</summary>
    private Task<string> ExpectSeatAsync(Show show, string status) => Eventually.GetAsync(
        async () => (await Rig.B.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200).Items("seats")[0].Value("status"),
        seen => seen == status, within: Eventually.Promised(1));
}
