using System.Diagnostics;
using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Faults;

/// <summary>Redis stopped, emptied or frozen: it only sheds load, so admitted users go on.</summary>
public sealed class RedisFaults : RedisFaultTests
{
    private static readonly TimeSpan ComeBack = Eventually.Promised(seconds: 5);

    [Test]
    public async Task Hold_ThousandUsersWhileRedisIsStopped_OneOwner()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 1);
        var users = await Rig.AdmittedAsync(show, 1000, points: 0, Rig.A, Rig.B);
        var after = await Rig.Catalogue.AddShowAsync();
        await Rig.Servers.Redis.StopAsync();

        var replies = await Rush.AllServedAsync(users.Length, number => users[number].HoldAsync(show));

        var won = replies.ExpectOneWinner(409, "seat_taken");
        await Rig.Database.ExpectOneOwnerAsync(show, 1, won.Value("reservationId"));
        await Rig.Servers.Redis.StartAsync();
        await ExpectBackAsync(after);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Sale_RedisEmptiedInTheMiddle_EverySeatSoldOnce()
    {
        const int Seats = 60;
        const int Users = 200;
        var show = await Rig.Catalogue.AddShowAsync(Seats);
        var users = await Rig.AdmittedAsync(show, Users, points: show.Price, Rig.A, Rig.B);
        await using var redis = await ConnectionMultiplexer.ConnectAsync($"{Rig.Servers.Redis.ConnectionString},allowAdmin=true");
        var done = 0;
        var flushes = 0;

        var sale = Rush.AllAtOnceAsync(users, async user =>
        {
            var won = await BuyAsync(user, show);
            Interlocked.Increment(ref done);
            return won;
        });
        while (!sale.IsCompleted)
        {
            await redis.GetServers()[0].FlushAllDatabasesAsync();
            flushes += done is > 0 and < Users ? 1 : 0;
            await Task.WhenAny(sale, Task.Delay(30));
        }
        var sold = (await sale).Count(won => won);

        await Assert.That(flushes).IsGreaterThan(1);
        // A hold that was answered by a 503 may be made after its user has gone on to another seat: then it waits to expire.
        var (confirmed, late) = (await CountAsync("CONFIRMED"), await CountAsync("HELD"));
        Console.WriteLine($"{confirmed} seats sold, {late} held by somebody who has gone on");
        await Assert.That(confirmed).IsEqualTo(sold);
        await Assert.That(confirmed + late).IsEqualTo(Seats);
        await Rig.VerifyAsync();

        Task<long> CountAsync(string status) => Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation WHERE schedule_id = @schedule AND status = @status",
            ("@schedule", show.ScheduleId), ("@status", status));
    }

    /// <summary>Takes the first of ten seats that it can get, and pays it. Only 409 seat_taken may come between.</summary>
    private static async Task<bool> BuyAsync(Visitor user, Show show)
    {
        var seats = Enumerable.Range(1, show.SeatCount).ToArray();
        new Random((int)user.UserId).Shuffle(seats);
        foreach (var seat in seats.Take(10))
        {
            var hold = await Eventually.AnsweredAsync(() => user.HoldAsync(show, seat));
            if (hold.IsWon)
            {
                var key = Visitor.NewKey();
                (await Eventually.AnsweredAsync(() => user.PayAsync(hold.Value("reservationId"), key))).Expect(201);
                return true;
            }
            hold.ExpectProblem(409, "seat_taken");
        }
        return false;
    }

    [Test, Category("Long"), Explicit]
    public async Task Sale_RedisPausedFor20Seconds_AdmittedUsersGoOn()
    {
        const int Buyers = 60;
        var show = await Rig.Catalogue.AddShowAsync(Buyers);
        var users = await Rig.AdmittedAsync(show, Buyers, points: show.Price, Rig.A, Rig.B);
        var after = await Rig.Catalogue.AddShowAsync();
        var outsider = Rig.NewVisitor();
        var paused = Stopwatch.StartNew();
        await Rig.Servers.Redis.PauseAsync();
        try
        {
            foreach (var (index, user) in users.Index())
            {
                var started = Stopwatch.GetTimestamp();
                var reservation = await user.HeldAsync(show, index + 1);
                (await user.PayAsync(reservation)).Expect(201);
                // A hold and a payment wait for Redis four times, at most 250 ms each.
                await Assert.That(Stopwatch.GetElapsedTime(started)).IsLessThan(Eventually.Promised(seconds: 1));
                (await outsider.EnterAsync(show.Queue)).ExpectProblem(503, "queue_unavailable").ExpectRetryAfter();
                var rest = (TimeSpan.FromSeconds(20) * (index + 1) / Buyers) - paused.Elapsed;
                await Task.Delay(Max(rest, TimeSpan.Zero));
            }
        }
        finally
        {
            await Rig.Servers.Redis.ResumeAsync();
        }

        await ExpectBackAsync(after);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Hold_WaitingTokenWhileRedisIsStopped_IsNotAdmitted()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        await Rig.NewVisitorAsync(show);
        var waiting = Rig.NewVisitor();
        await waiting.EnteredAsync(show.Queue);
        var after = await Rig.Catalogue.AddShowAsync();
        await Rig.Servers.Redis.StopAsync();

        (await waiting.HoldAsync(show)).ExpectProblem(403, "queue_token_not_active");

        await Rig.Servers.Redis.StartAsync();
        await ExpectBackAsync(after);
        await Rig.VerifyAsync();
    }

    /// <summary>The queue admits again, on both instances, without their restart.</summary>
    private async Task ExpectBackAsync(Show show)
    {
        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            var visitor = Rig.NewVisitor(instance);
            await Eventually.GetAsync(() => visitor.EnterAsync(show.Queue), reply => reply.Status is 200 or 201, ComeBack);
            await visitor.HeldAsync(show, instance == Rig.A ? 1 : 2);
        }
    }

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
