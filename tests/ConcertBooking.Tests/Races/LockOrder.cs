using System.Collections.Concurrent;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>The same seats in every order, at once: the locks are taken in one order, so nobody waits in a circle.</summary>
[NotInParallel]
public sealed class LockOrder : SharedRigTests
{
    private const int Users = 200;
    private const int Most = 8; // seats of a booking

    private readonly ConcurrentDictionary<string, int> _unanswered = new();

    [Test]
    public async Task HoldTogether_EightSeatsUpAndDown_OneBooking()
    {
        await using var fleet = await StartFleetAsync();
        var show = await fleet.Catalogue.AddShowAsync(seats: Most);
        var users = await AdmittedAsync(fleet, show, Users);
        int[] up = [.. Enumerable.Range(1, Most)], down = [.. up.Reverse()];

        var replies = await Rush.AllAtOnceAsync(Users, number => AnsweredAsync(
            () => users[number].HoldTogetherAsync(show, number / 2 % 2 == 0 ? up : down)));

        var won = replies.ExpectOneWinner(409, "seat_taken");
        foreach (var loser in replies.Where(static reply => !reply.IsWon))
        {
            await loser.ExpectTakenAsync(up);
        }

        await Assert.That(won.Seats()).IsEqualTo(string.Join(", ", up.Select(static seat => $"{seat} HELD")));
        await ExpectBookingsAsync(fleet, show, [won]);
    }

    [Test, Category("Long"), Explicit]
    public async Task HoldTogether_OverlappingSeatsInAnyOrder_WholeBookings()
    {
        await using var fleet = await StartFleetAsync();
        var show = await fleet.Catalogue.AddShowAsync(seats: 2 * Most);
        var users = await AdmittedAsync(fleet, show, Users);

        var replies = await Rush.AllAtOnceAsync(Users, number => AnsweredAsync(
            () => users[number].HoldTogetherAsync(show, Shuffled(number))));

        foreach (var loser in replies.Where(static reply => !reply.IsWon))
        {
            loser.ExpectProblem(409, "seat_taken");
        }

        await ExpectBookingsAsync(fleet, show, [.. replies.Where(static reply => reply.IsWon)]);
    }

    /// <summary>A release frees what a hold takes, so the two meet in the rows of seats and of reservations.</summary>
    [Test, Category("Long"), Explicit]
    public async Task HoldTogetherAndRelease_OverlappingSeatsInAnyOrder_NothingIsLeft()
    {
        const int Some = 40;
        await using var fleet = await StartFleetAsync();
        var show = await fleet.Catalogue.AddShowAsync(seats: 2 * Most);
        var users = await AdmittedAsync(fleet, show, Some);

        var won = await Rush.AllAtOnceAsync(Some, async number =>
        {
            var count = 0;
            for (var attempt = 0; attempt < 10; attempt++)
            {
                var seats = Shuffled(number + (attempt * Some));
                var hold = await AnsweredAsync(() => users[number].HoldTogetherAsync(show, seats));
                if (!hold.IsWon)
                {
                    hold.ExpectProblem(409, "seat_taken");
                    continue;
                }

                count++;
                (await AnsweredAsync(() => users[number].ReleaseBookingAsync(hold.Value("bookingId")))).Expect(204);
            }

            return count;
        });

        Console.WriteLine($"{won.Sum()} bookings were held and released");
        await Assert.That(won.Sum()).IsGreaterThan(1);
        await ExpectBookingsAsync(fleet, show, []);
        await Assert.That(await fleet.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM seat WHERE schedule_id = @schedule AND reservation_id IS NOT NULL",
            ("@schedule", show.ScheduleId))).IsEqualTo(0);
    }

    private Task<Fleet> StartFleetAsync() => Fleet.StartAsync(
        Rig, 2, ("Holds__MaxPerUser", $"{Most}"), ("Purchases__MaxPerUser", $"{Most}"));

    private static async Task<Visitor[]> AdmittedAsync(Fleet fleet, Show show, int count)
    {
        var users = new Visitor[count];
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (number, _) =>
            users[number] = await fleet.NewVisitorAsync(show, member: number % 2));
        return users;
    }

    /// <summary>Eight seats side by side, in an order of their own.</summary>
    private static int[] Shuffled(int seed)
    {
        var random = new Random(seed);
        int[] seats = [.. Enumerable.Range(random.Next(1, Most + 2), Most)];
        random.Shuffle(seats);
        return seats;
    }

    /// <summary>On a busy machine a crowd gets 503s; a fault is never the answer.</summary>
    private Task<Reply> AnsweredAsync(Func<Task<Reply>> request) => Eventually.AnsweredAsync(async () =>
    {
        var reply = await request();
        if (reply.Status >= 500)
        {
            reply.ExpectProblem(503, "database_unavailable");
            _unanswered.AddOrUpdate("503", 1, static (_, count) => count + 1);
        }

        return reply;
    });

    /// <summary>The live seats are those of the bookings that were won, each with all of its own, or of a hold answered by a 503.</summary>
    private async Task ExpectBookingsAsync(Fleet fleet, Show show, IReadOnlyList<Reply> won)
    {
        var live = (await GroupRow.ReadAsync(fleet.Database, show)).Where(static row => row.IsLive).ToList();
        var unanswered = _unanswered.GetValueOrDefault("503");
        var deadlocks = await fleet.Database.DeadlocksAsync();
        Console.WriteLine($"{won.Count} bookings, {unanswered} × 503, {deadlocks} deadlocks of the server so far");
        await Assert.That(live.Select(static row => row.SeatNo).Distinct().Count()).IsEqualTo(live.Count);
        foreach (var booking in live.GroupBy(static row => row.BookingId))
        {
            await Assert.That(booking.Count()).IsEqualTo(Most);
        }

        foreach (var reply in won)
        {
            var seats = live.Where(row => row.BookingId == Guid.Parse(reply.Value("bookingId"))).Select(static row => row.SeatNo);
            await Assert.That(seats).IsEquivalentTo(reply.Items("seats").Select(static seat => (int)seat.Number("seatNo")));
        }

        await Assert.That((live.Count / Most) - won.Count).IsBetween(0, unanswered);
        await Assert.That(fleet.Faults()).IsEmpty();
        await fleet.VerifyAsync();
    }
}
