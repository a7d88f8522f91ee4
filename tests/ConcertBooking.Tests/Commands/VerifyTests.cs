using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Commands;

/// <summary>What <c>verify</c> says of a sound database, and of one that is damaged in each of the ways it looks for.</summary>
public sealed class VerifyTests : SharedRigTests
{
    [Test]
    public async Task Verify_WhileOthersWork_Ends0() => await Rig.VerifyAsync();

    [Test]
    public async Task Verify_Damaged_Ends1AndReportsWhat()
    {
        var (database, show, userId) = await UsedDatabaseAsync();
        await ExpectSoundAsync(database);

        foreach (var (damage, undo, line) in Damages(show, userId))
        {
            await database.ExecuteAsync(damage);
            await ExpectBrokenAsync(database, line);
            await database.ExecuteAsync(undo);
        }

        await ExpectSoundAsync(database);
    }

    [Test]
    public async Task Verify_SeatSoldTwice_Ends1AndReportsIt()
    {
        var (database, show, _) = await UsedDatabaseAsync();
        await database.ExecuteAsync("ALTER TABLE reservation DROP INDEX reservation_live, ADD KEY plain (schedule_id, seat_no)");
        await database.ExecuteAsync($"""
            INSERT INTO reservation (reservation_id, user_id, schedule_id, seat_no, status, price, held_expires_at)
            SELECT UNHEX(REPEAT('A', 32)), user_id, schedule_id, seat_no, 'HELD', price, TIMESTAMPADD(MINUTE, 5, NOW(3))
            FROM reservation WHERE schedule_id = {show.ScheduleId} AND seat_no = 1
            """);

        await ExpectBrokenAsync(database, "live reservation");
    }

    [Test]
    public async Task Verify_TooManyActiveInAQueue_Ends1AndReportsIt()
    {
        var (database, show, _) = await UsedDatabaseAsync();
        await using var redis = await ConnectionMultiplexer.ConnectAsync(Rig.Servers.Redis.ConnectionString);
        var active = (RedisKey)$"{{q:{show.Queue}}}:active";
        await Assert.That(await redis.GetDatabase().KeyExistsAsync(active)).IsTrue();

        var inAnHour = TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeMilliseconds();
        await redis.GetDatabase().SortedSetAddAsync(active, [new("1", inAnHour), new("2", inAnHour), new("3", inAnHour)]);

        await ExpectBrokenAsync(database, "maxActive");
    }

    [Test]
    public async Task Verify_ActivePlacePastItsEnd_Ends1AndReportsIt()
    {
        var (database, show, _) = await UsedDatabaseAsync();
        await using var redis = await ConnectionMultiplexer.ConnectAsync(Rig.Servers.Redis.ConnectionString);

        await redis.GetDatabase().SortedSetAddAsync($"{{q:{show.Queue}}}:active", "1", EndOf(secondsAgo: 60));

        await ExpectBrokenAsync(database, "past its end");
    }

    /// <summary>Places are removed every two seconds where nobody waits, on a busy machine later.</summary>
    [Test]
    public Task Verify_ActivePlaceHasJustEnded_Ends0() => Eventually.InTimeAsync(TimeSpan.FromSeconds(2), async clock =>
    {
        var (database, show, _) = await UsedDatabaseAsync();
        await using var redis = await ConnectionMultiplexer.ConnectAsync(Rig.Servers.Redis.ConnectionString);

        clock.Start();
        await redis.GetDatabase().SortedSetAddAsync($"{{q:{show.Queue}}}:active", "1", EndOf(secondsAgo: 3));
        var verified = await VerifyAsync(database);
        clock.Stop();

        await Assert.That(verified.ExitCode).IsEqualTo(0).Because(verified.Output);
    });

    /// <summary>A pass that was shown after a loss explains its own place, and no place that a payment had used up before.</summary>
    [Test]
    public async Task Verify_UsedUpAdmissionIsActiveAgain_Ends1AndReportsIt()
    {
        var (database, show, userId) = await UsedDatabaseAsync();
        RedisKey[] keys = [$"{{q:{show.Queue}}}:active", $"{{q:{show.Queue}}}:shown", $"{{q:{show.Queue}}}:meta"];
        await using var connection = await ConnectionMultiplexer.ConnectAsync(Rig.Servers.Redis.ConnectionString);
        var redis = connection.GetDatabase();
        var now = TimeProvider.System.GetUtcNow();
        var (inAnHour, aMinuteAgo) = (now.AddHours(1).ToUnixTimeMilliseconds(), now.AddMinutes(-1).ToUnixTimeMilliseconds() * 1000);
        await redis.HashSetAsync(keys[2], "loss", $"0 {now.AddMinutes(1).ToUnixTimeMilliseconds() * 1000} 0 0");
        await redis.SortedSetAddAsync(keys[0], [new("1", inAnHour), new("2", inAnHour), new($"{userId}", inAnHour)]);
        await redis.SortedSetAddAsync(keys[1], [new("1", aMinuteAgo), new($"{userId}", aMinuteAgo)]);
        await ExpectSoundAsync(database); // who paid still held another seat at that time

        await database.ExecuteAsync("UPDATE reservation SET held_expires_at = created_at WHERE status = 'HELD'");
        await ExpectBrokenAsync(database, "used up");

        await redis.SortedSetRemoveAsync(keys[1], "1");
        await redis.SortedSetAddAsync(keys[0], [new("3", inAnHour), new("4", inAnHour)]);
        await ExpectBrokenAsync(database, "maxActive");
    }

    [Test]
    public async Task Verify_RedisIsAway_Ends1AndReportsIt()
    {
        var database = await Rig.AddDatabaseAsync();

        var result = await Rig.RunAsync(["verify"], new Dictionary<string, string?>
        {
            [MySqlServers.Setting] = database.ConnectionString,
            [RedisServers.Setting] = $"127.0.0.1:{Ports.Take()},connectTimeout=500",
        });

        await Assert.That(result.ExitCode).IsEqualTo(1);
        await Assert.That(result.Output + result.Error).Contains("Redis");
    }

    private static long EndOf(int secondsAgo) => TimeProvider.System.GetUtcNow().AddSeconds(-secondsAgo).ToUnixTimeMilliseconds();

    private static IEnumerable<(string Damage, string Undo, string Line)> Damages(Show show, long userId)
    {
        yield return (
            $"UPDATE user_point_balance SET balance = balance + 1 WHERE user_id = {userId}",
            $"UPDATE user_point_balance SET balance = balance - 1 WHERE user_id = {userId}",
            "balance");
        yield return (
            $"UPDATE point_tx SET amount = amount + 1 WHERE user_id = {userId} AND type = 'USE'",
            $"UPDATE point_tx SET amount = amount - 1 WHERE user_id = {userId} AND type = 'USE'",
            "USE row");
        yield return (
            $"UPDATE payment SET amount = amount - 1 WHERE user_id = {userId}",
            $"UPDATE payment SET amount = amount + 1 WHERE user_id = {userId}",
            "payment");
        yield return (
            $"UPDATE reservation SET status = 'RELEASED' WHERE schedule_id = {show.ScheduleId} AND seat_no = 1",
            $"UPDATE reservation SET status = 'CONFIRMED' WHERE schedule_id = {show.ScheduleId} AND seat_no = 1",
            "confirmed seats of one booking");
        yield return (
            "UPDATE outbox SET event_type = 'other' WHERE event_type = 'payment.completed.v2'",
            "UPDATE outbox SET event_type = 'payment.completed.v2' WHERE event_type = 'other'",
            "event");
        yield return (
            $"UPDATE reservation SET held_expires_at = TIMESTAMPADD(SECOND, -6, NOW(3)) WHERE schedule_id = {show.ScheduleId} "
                + "AND status = 'HELD'",
            $"UPDATE reservation SET held_expires_at = TIMESTAMPADD(SECOND, 300, NOW(3)) WHERE schedule_id = {show.ScheduleId} "
                + "AND status = 'HELD'",
            "overdue");
    }

    /// <summary>A database with a payment and a hold, whose service has gone: nobody tidies up what a test damages.</summary>
    private async Task<(Database Database, Show Show, long UserId)> UsedDatabaseAsync()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { [KafkaServers.Setting] = null });
        var show = await alone.Catalogue.AddShowAsync(maxActive: 2);
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        (await visitor.ChargeAsync(show.Price + 1)).Expect(201);
        var paid = await visitor.HeldAsync(show, seatNo: 1);
        await visitor.HeldAsync(show, seatNo: 2);
        (await visitor.PayAsync(paid)).Expect(201);
        return (alone.Database, show, visitor.UserId);
    }

    private Task<ServiceResult> VerifyAsync(Database database) =>
        Rig.RunAsync(["verify"], database.Settings);

    private async Task ExpectSoundAsync(Database database)
    {
        var result = await VerifyAsync(database);
        await Assert.That(result.ExitCode).IsEqualTo(0).Because(result.Output + result.Error);
        await Assert.That(Broken(result)).IsEmpty();
        foreach (var invariant in (string[])["live reservation", "payment", "USE", "balance", "event", "overdue", "maxActive",
            "past its end"])
        {
            await Assert.That(result.Output).Contains(invariant);
        }
    }

    private async Task ExpectBrokenAsync(Database database, string line)
    {
        var result = await VerifyAsync(database);
        await Assert.That(result.ExitCode).IsEqualTo(1).Because(result.Output + result.Error);
        await Assert.That(Broken(result).Any(broken => broken.Contains(line, StringComparison.Ordinal))).IsTrue().Because(result.Output);
    }

    private static IEnumerable<string> Broken(ServiceResult result) =>
        result.Output.Split('\n').Where(line => line.StartsWith("FAIL", StringComparison.Ordinal));
}
