using System.Globalization;
using MySqlConnector;

namespace ConcertBooking.Commands;

/// <summary>
/// Checks the invariants in the database and Redis, and prints a line for each. Every statement counts the violations and the
/// rows checked.
/// </summary>
internal static class Verify
{
    private sealed record Invariant(string Name, string Sql);

    private static readonly Invariant[] Invariants =
    [
        new("at most one live reservation a seat", """
            SELECT (SELECT COUNT(*) FROM (
                      SELECT 1 FROM reservation WHERE live = 1 GROUP BY schedule_id, seat_no HAVING COUNT(*) > 1) AS doubled),
                   (SELECT COUNT(*) FROM reservation WHERE live = 1)
            """),
        new("all seats of a booking are of its user and schedule and share its state, except those that were taken out of it", """
            SELECT COUNT(CASE WHEN b.booking_id IS NULL OR r.strange > 0 OR r.states > 1 THEN 1 END), COUNT(*)
            FROM (SELECT o.booking_id, COUNT(DISTINCT CASE WHEN o.status <> 'RELEASED' THEN o.status END) AS states,
                         SUM(k.booking_id IS NULL OR o.user_id <> k.user_id OR o.schedule_id <> k.schedule_id) AS strange
                  FROM reservation o LEFT JOIN booking k ON k.booking_id = o.booking_id
                  WHERE o.booking_id IS NOT NULL GROUP BY o.booking_id) r
            LEFT JOIN booking b ON b.booking_id = r.booking_id
            """),
        new("every payment is of confirmed seats of one booking, their prices and user, and has its USE row", """
            SELECT COUNT(CASE WHEN r.seats IS NULL OR r.unpaid > 0 OR r.total <> p.amount OR r.users > 0
                                OR t.type IS NULL OR t.type <> 'USE' OR t.amount <> p.amount OR t.user_id <> p.user_id THEN 1 END),
                   COUNT(*)
            FROM payment p
            LEFT JOIN (SELECT o.payment_id, COUNT(*) AS seats, SUM(o.price) AS total, SUM(o.status <> 'CONFIRMED') AS unpaid,
                              SUM(o.user_id <> q.user_id OR o.booking_id <> q.booking_id) AS users
                       FROM reservation o JOIN payment q ON q.payment_id = o.payment_id GROUP BY o.payment_id) r
              ON r.payment_id = p.payment_id
            LEFT JOIN point_tx t ON t.reference = p.payment_id
            WHERE p.booking_id IS NOT NULL
            """),
        // A payment of the build before is adopted within a second; meanwhile neither it nor its seat has the other's id.
        new("every confirmed seat has its payment", """
            SELECT COUNT(CASE WHEN p.payment_id IS NULL THEN 1 END), COUNT(*)
            FROM reservation r LEFT JOIN payment p ON p.payment_id = r.payment_id OR p.reservation_id = r.reservation_id
            WHERE r.status = 'CONFIRMED'
            """),
        new("as many USE rows as payments", """
            SELECT ABS((SELECT COUNT(*) FROM point_tx WHERE type = 'USE') - COUNT(*)), COUNT(*) FROM payment
            """),
        new("every balance equals the sum of its ledger and is not negative", """
            SELECT COUNT(CASE WHEN b.balance < 0 OR b.balance <> COALESCE(l.total, 0) THEN 1 END), COUNT(*)
            FROM user_point_balance b LEFT JOIN (
              SELECT user_id, SUM(CASE type WHEN 'CHARGE' THEN amount ELSE -amount END) AS total FROM point_tx GROUP BY user_id) l
              ON l.user_id = b.user_id
            """),
        new("every ledger row is of a user with a balance", """
            SELECT COUNT(CASE WHEN b.user_id IS NULL THEN 1 END), COUNT(*)
            FROM (SELECT DISTINCT user_id FROM point_tx) t LEFT JOIN user_point_balance b ON b.user_id = t.user_id
            """),
        new("every payment has its event, sent or waiting", """
            SELECT COUNT(CASE WHEN o.event_id IS NULL THEN 1 END), COUNT(*)
            FROM payment p LEFT JOIN outbox o ON o.event_key = COALESCE(p.booking_id, p.reservation_id)
              AND o.event_type IN ('payment.completed.v1', 'payment.completed.v2')
            WHERE p.published_at IS NULL
            """),
        // A limit lowered later is none of theirs: the highest at the time of their holds counts.
        new("nobody has more seats of a schedule than maxPerUser", """
            SELECT COUNT(CASE WHEN l.seats > NULLIF(l.most, 0) AND l.least > 0 THEN 1 END), COUNT(*)
            FROM (SELECT COUNT(*) AS seats, MAX(b.max_per_user) AS most, MIN(COALESCE(b.max_per_user, 0)) AS least
                  FROM reservation r JOIN booking b ON b.booking_id = r.booking_id
                  WHERE r.status = 'CONFIRMED' OR r.status = 'HELD' AND r.held_expires_at > NOW(3)
                  GROUP BY r.user_id, r.schedule_id) l
            """),
        new("every seat's claim is of a reservation of that seat", """
            SELECT COUNT(CASE WHEN r.reservation_id IS NULL OR r.schedule_id <> s.schedule_id OR r.seat_no <> s.seat_no THEN 1 END),
                   COUNT(*)
            FROM seat s LEFT JOIN reservation r ON r.reservation_id = s.reservation_id
            WHERE s.reservation_id IS NOT NULL
            """),
        new("no hold is overdue by more than 5 s", """
            SELECT COUNT(CASE WHEN held_expires_at < TIMESTAMPADD(SECOND, -5, NOW(3)) THEN 1 END), COUNT(*)
            FROM reservation WHERE status = 'HELD'
            """),
    ];

    public static async Task<int> RunAsync(IConfiguration configuration)
    {
        var redis = RedisSettings.Load(configuration);
        var settings = MySqlSession.Settings(Settings.LoadMySql(configuration));
        (settings.DefaultCommandTimeout, settings.MaximumPoolSize) = (MySqlLimits.VerifySeconds, MaxConcurrency);
        await using var mysql = MySqlSession.Source(settings);
        using var slots = new SemaphoreSlim(MaxConcurrency);
        var counts = Invariants.Select(invariant => CountAsync(mysql, slots, invariant)).ToArray();
        var violationCount = 0L;
        for (var index = 0; index < Invariants.Length; index++)
        {
            var (violations, total) = await counts[index];
            violationCount += Report(Invariants[index].Name, violations, total);
        }

        await ReportDeadEventsAsync(mysql);
        violationCount += await VerifyQueues.RunAsync(mysql, redis);
        Console.WriteLine(violationCount == 0 ? "all invariants hold" : $"{violationCount} violations");
        return violationCount == 0 ? 0 : 1;
    }

    /// <summary>Dead events are not lost: they wait for an operator to replay them, which violates no invariant.</summary>
    private static async Task ReportDeadEventsAsync(MySqlDataSource mysql)
    {
        await using var command = mysql.CreateCommand("SELECT COUNT(CASE WHEN state = 'DEAD' THEN 1 END), COUNT(*) FROM outbox");
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        var (dead, all) = (reader.GetInt64(0), reader.GetInt64(1));
        Console.WriteLine(
            $"{(dead == 0 ? "ok  " : "note")}  waiting events that Kafka refused for good, to be replayed: {dead} of {all}");
    }

    /// <summary>Statements that run in parallel: a million reservations are checked in seconds.</summary>
    private const int MaxConcurrency = 3;

    private static async Task<(long Violations, long Total)> CountAsync(MySqlDataSource mysql, SemaphoreSlim slots, Invariant invariant)
    {
        await slots.WaitAsync();
        try
        {
            await using var connection = await mysql.OpenConnectionAsync();
            await using var command = new MySqlCommand(invariant.Sql, connection);
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            return (reader.GetInt64(0), reader.GetInt64(1));
        }
        finally
        {
            slots.Release();
        }
    }

    internal static long Report(string name, long violations, long total)
    {
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{(violations == 0 ? "ok  " : "FAIL")}  {name}: {violations} of {total}"));
        return violations;
    }
}
