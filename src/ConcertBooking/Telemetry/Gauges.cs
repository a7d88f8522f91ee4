using System.Globalization;
using Dapper;

namespace ConcertBooking.Telemetry;

internal sealed class GaugeRow
{
    public long Overdue { get; set; }
    public long Pending { get; set; }
    public long Dead { get; set; }
    public double OldestSeconds { get; set; }
}

internal sealed class SeatsLeftRow
{
    public long ScheduleId { get; set; }
    public long SeatsLeft { get; set; }
}

/// <summary>Updates the gauges that <c>/metrics</c> reports of the database every 5 s, so that a scrape runs no query.</summary>
internal sealed class Gauges(MySqlDatabase database, Metrics metrics, TimeProvider time, ILogger<Gauges> logger)
    : PeriodicService(TimeSpan.FromSeconds(5), time, logger)
{
    /// <summary>Reads along indexes; the count of waiting events is capped at 100,000.</summary>
    private const string SelectSql = """
        SELECT (SELECT COUNT(*) FROM reservation WHERE status = 'HELD' AND held_expires_at <= NOW(3)) AS Overdue,
               (SELECT COUNT(*) FROM (SELECT 1 FROM outbox LIMIT 100000) AS waiting) AS Pending,
               (SELECT COUNT(*) FROM outbox WHERE state = 'DEAD') AS Dead,
               (SELECT COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(created_at), NOW(6)) / 1e6, 0)
                  FROM outbox WHERE state = 'PENDING') AS OldestSeconds
        """;

    /// <summary>
    /// The schedules of the last thousand holds, ten at most, since each is a time series that every instance exports until it
    /// restarts. Ids of reservations are ordered by time. An overdue hold counts until it is swept: <c>live</c> is in the
    /// index, the end is not, and a schedule may have 100,000 seats.
    /// </summary>
    private const string SeatsLeftSql = """
        SELECT s.schedule_id AS ScheduleId,
               GREATEST(0, LEAST(s.seat_count, (SELECT COALESCE(MAX(n.seat_no), 0) FROM seat n WHERE n.schedule_id = s.schedule_id)))
                 - (SELECT COUNT(*) FROM reservation r
                    WHERE r.schedule_id = s.schedule_id AND r.live = 1 AND r.seat_no <= s.seat_count) AS SeatsLeft
          FROM (SELECT schedule_id FROM (SELECT schedule_id FROM reservation ORDER BY reservation_id DESC LIMIT 1000) AS latest
                GROUP BY schedule_id ORDER BY COUNT(*) DESC, schedule_id LIMIT 10) AS asked
          JOIN concert_schedule s ON s.schedule_id = asked.schedule_id
        """;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        var row = await database.RunAsync(
            static (connection, _) => connection.QuerySingleAsync<GaugeRow>(SelectSql, commandTimeout: MySqlLimits.StatementSeconds),
            stoppingToken, MySqlLimits.Background);
        metrics.HoldsOverdue = row.Overdue;
        metrics.OutboxPending = row.Pending;
        metrics.OutboxDead = row.Dead;
        metrics.OutboxOldestSeconds = row.OldestSeconds;
        var schedules = await database.RunAsync(
            static (connection, _) => connection.QueryAsync<SeatsLeftRow>(SeatsLeftSql, commandTimeout: MySqlLimits.StatementSeconds),
            stoppingToken, MySqlLimits.Background);
        metrics.SeatsLeft = [.. schedules.Select(
            static seats => (seats.ScheduleId.ToString(CultureInfo.InvariantCulture), seats.SeatsLeft))];
    }
}
