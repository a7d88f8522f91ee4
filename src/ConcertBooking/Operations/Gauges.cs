using ConcertBooking.Infrastructure;
using Dapper;

namespace ConcertBooking.Operations;

internal sealed class GaugeRow
{
    public long Overdue { get; set; }
    public long Pending { get; set; }
    public long Dead { get; set; }
    public double OldestSeconds { get; set; }
}

/// <summary>Reads every 5 s what <c>/metrics</c> tells of the database, so that a scrape asks nobody.</summary>
internal sealed class Gauges(MySql database, Metrics metrics, TimeProvider time, ILogger<Gauges> logger)
    : PeriodicService(TimeSpan.FromSeconds(5), time, logger)
{
    /// <summary>Plain reads along indexes; a long outage is told as 100,000 waiting events.</summary>
    private const string SelectSql = """
        SELECT (SELECT COUNT(*) FROM reservation WHERE status = 'HELD' AND held_expires_at <= NOW(3)) AS Overdue,
               (SELECT COUNT(*) FROM (SELECT 1 FROM outbox LIMIT 100000) AS waiting) AS Pending,
               (SELECT COUNT(*) FROM outbox WHERE state = 'DEAD') AS Dead,
               (SELECT COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(created_at), NOW(6)) / 1e6, 0) FROM outbox WHERE state = 'PENDING') AS OldestSeconds
        """;

    protected override async Task Round(CancellationToken stoppingToken)
    {
        var row = await database.Run((connection, _) => connection.QuerySingleAsync<GaugeRow>(SelectSql), stoppingToken);
        metrics.HoldsOverdue = row.Overdue;
        metrics.OutboxPending = row.Pending;
        metrics.OutboxDead = row.Dead;
        metrics.OutboxOldestSeconds = row.OldestSeconds;
    }
}
