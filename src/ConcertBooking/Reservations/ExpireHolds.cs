using Dapper;

namespace ConcertBooking.Reservations;

/// <summary>
/// The expiry sweep: every second, in every worker, overdue holds become EXPIRED and their events are written. A seat
/// never waits for it, since a new hold expires an overdue one itself.
/// </summary>
internal sealed class ExpireHolds(MySqlDatabase database, HoldExpiry holds, TimeProvider time, ILogger<ExpireHolds> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time, logger)
{
    private const int ChunkSize = 50;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        var overdue = await database.RunAsync(
            async (connection, _) =>
                (await connection.QueryAsync<OverdueRow>(SelectSql, commandTimeout: MySqlLimits.StatementSeconds)).ToList(),
            stoppingToken, MySqlLimits.Background);
        foreach (var chunk in overdue.Select(static row => row.BookingId).Chunk(ChunkSize))
        {
            await holds.ExpireAsync(chunk, MySqlLimits.Background);
        }
    }

    /// <summary>A plain read, which takes no lock: each hold is checked again, by primary key, where it is expired.</summary>
    private const string SelectSql = """
        SELECT COALESCE(booking_id, reservation_id) AS BookingId FROM reservation FORCE INDEX (reservation_due)
        WHERE status = 'HELD' AND held_expires_at <= NOW(3)
        GROUP BY BookingId ORDER BY MIN(held_expires_at) LIMIT 1000
        """;
}

/// <summary>A row of the sweep's SELECT.</summary>
internal sealed class OverdueRow
{
    public Guid BookingId { get; set; }
}
