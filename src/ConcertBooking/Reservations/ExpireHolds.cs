using Dapper;

namespace ConcertBooking.Reservations;

internal sealed class OverdueRow
{
    public Guid Id { get; set; }
}

/// <summary>
/// The sweep: every second, on any instance, overdue holds become EXPIRED. It is for tidiness and for the events; a
/// seat never waits for it.
/// </summary>
internal sealed class ExpireHolds(MySqlDatabase database, HoldExpiry holds, TimeProvider time, ILogger<ExpireHolds> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time, logger)
{
    private const int ChunkSize = 50;

    /// <summary>Plain read: finding them takes no lock, ending them goes by primary key.</summary>
    private const string SelectSql = """
        SELECT reservation_id AS Id FROM reservation
        WHERE status = 'HELD' AND held_expires_at <= NOW(3)
        ORDER BY held_expires_at LIMIT 1000
        """;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        var overdue = await database.RunAsync(
            async (connection, token) => (await connection.QueryAsync<OverdueRow>(SelectSql, commandTimeout: MySqlLimits.StatementSeconds)).ToList(), stoppingToken, MySqlLimits.Background);
        foreach (var chunk in overdue.Select(static row => row.Id).Chunk(ChunkSize))
        {
            await holds.ExpireAsync(chunk, MySqlLimits.Background);
        }
    }
}
