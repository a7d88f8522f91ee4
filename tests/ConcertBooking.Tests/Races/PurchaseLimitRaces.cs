using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>One user at two instances at once: never more seats of a show than the limit, held and paid together.</summary>
[NotInParallel]
public sealed class PurchaseLimitRaces : SharedRigTests
{
    private const int Limit = 4;
    private const int Seats = 40;
    private const int Parallel = 50;

    [Test]
    public async Task Hold_FiftyAtOnceInManyRounds_NoMoreThanTheLimit()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 2, ("Holds__MaxPerUser", "8"), ("Purchases__MaxPerUser", $"{Limit}"));
        var show = await fleet.Catalogue.AddShowAsync(Seats, price: 10);
        var user = await fleet.NewVisitorAsync(show, points: 1000);
        using var stop = new CancellationTokenSource();
        var watch = WatchAsync(fleet, user, stop.Token);

        await RushAsync(fleet, user, show, "first");
        (await Eventually.AnsweredAsync(() => ReleaseOneAsync(fleet, user))).Expect(204);
        await RushAsync(fleet, user, show, "after a release");
        await fleet.Database.EndHoldsAsync(TimeSpan.FromSeconds(-1), "user_id = @user", ("@user", user.UserId));
        await RushAsync(fleet, user, show, "after the expiry");
        for (var round = 1; await PayOneAsync(fleet, user); round++)
        {
            // The payment of the last hold used the place up; with another one held the user still has it.
            await Eventually.GetAsync(() => user.EnterAsync(show.Queue), static reply => reply.Status is 200 or 201);
            await RushAsync(fleet, user, show, $"after payment {round}");
        }

        await RushAsync(fleet, user, show, "with all paid");
        await stop.CancelAsync();
        Console.WriteLine($"{await watch} reads");
        await Assert.That(await OwnedAsync(fleet, user, "CONFIRMED")).IsEqualTo(Limit);
        await fleet.VerifyAsync();
    }

    /// <summary>One to three seats, as a booking or as a reservation, at both instances.</summary>
    private static async Task RushAsync(Fleet fleet, Visitor user, Show show, string when)
    {
        var replies = await Rush.AllAtOnceAsync(Parallel, async number =>
        {
            var count = Random.Shared.Next(1, 4);
            List<int> seats = [.. Enumerable.Range(Random.Shared.Next(1, Seats - count + 2), count)];
            var tab = new Visitor(fleet[number % 2], user.UserId, user.AccessToken) { QueueToken = user.QueueToken };
            return await Eventually.GetAsync(
                () => count == 1 && number % 4 < 2 ? tab.HoldAsync(show, seats[0]) : tab.HoldTogetherAsync(show, seats),
                static reply => reply.Status is not (429 or 503));
        });

        var owned = await OwnedAsync(fleet, user, "HELD", "CONFIRMED");
        Console.WriteLine($"{when}: {owned} seats, {replies.Tally()}");
        foreach (var refused in replies.Where(static reply => !reply.IsWon))
        {
            // Seats may be the user's own, in another booking.
            refused.ExpectProblem(409, refused.Code == "seat_taken" ? "seat_taken" : "purchase_limit_reached");
        }

        await Assert.That(owned).IsBetween(1, Limit);
        await Assert.That(replies.Any(static reply => reply.Code == "purchase_limit_reached")).IsTrue();
    }

    /// <returns>Whether there was a booking to pay.</returns>
    private static async Task<bool> PayOneAsync(Fleet fleet, Visitor user)
    {
        if (await HeldBookingAsync(fleet, user) is not { } bookingId)
        {
            return false;
        }

        (await Eventually.AnsweredAsync(() => user.PayBookingAsync(bookingId, key: bookingId))).Expect(201);
        return true;
    }

    private static async Task<Reply> ReleaseOneAsync(Fleet fleet, Visitor user) =>
        await user.ReleaseBookingAsync((await HeldBookingAsync(fleet, user))!);

    private static async Task<string?> HeldBookingAsync(Fleet fleet, Visitor user) => (await fleet.Database.ColumnAsync<Guid>(
        """
        SELECT booking_id FROM reservation WHERE user_id = @user AND status = 'HELD' AND held_expires_at > NOW(3)
        ORDER BY booking_id LIMIT 1
        """, ("@user", user.UserId))).Select(static id => id.ToString()).FirstOrDefault();

    private static Task<long> OwnedAsync(Fleet fleet, Visitor user, params string[] statuses) => fleet.Database.ScalarAsync<long>(
        $"""
        SELECT COUNT(*) FROM reservation WHERE user_id = @user AND status IN ('{string.Join("', '", statuses)}')
          AND (status = 'CONFIRMED' OR held_expires_at > NOW(3))
        """, ("@user", user.UserId));

    /// <returns>How often it looked.</returns>
    private static async Task<int> WatchAsync(Fleet fleet, Visitor user, CancellationToken stop)
    {
        for (var reads = 0; ; reads++)
        {
            var owned = await OwnedAsync(fleet, user, "HELD", "CONFIRMED");
            if (owned > Limit)
            {
                Assert.Fail($"The user has {owned} seats at once.");
            }

            if (stop.IsCancellationRequested)
            {
                return reads + 1;
            }

            await Task.Delay(5, CancellationToken.None);
        }
    }
}
