using Dapper;

namespace ConcertBooking.Http.Idempotency;

/// <summary>Deletes remembered answers after 24 hours, a few at a time, so that no request waits for its locks.</summary>
internal sealed class PurgeIdempotencyKeys(MySqlDatabase database, TimeProvider time, ILogger<PurgeIdempotencyKeys> logger)
    : PeriodicService(TimeSpan.FromMinutes(1), time, logger)
{
    private const int ChunkSize = 500;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        int deleted;
        do
        {
            deleted = await database.RunAsync(
                (connection, _) => connection.ExecuteAsync(
                    DeleteSql, new { hours = (int)IdempotencySql.Memory.TotalHours, count = ChunkSize },
                    commandTimeout: MySqlLimits.StatementSeconds),
                stoppingToken, MySqlLimits.Background);
        }
        while (deleted == ChunkSize);
    }

    private const string DeleteSql = """
        DELETE FROM idempotency WHERE created_at < TIMESTAMPADD(HOUR, -@hours, NOW(6)) ORDER BY created_at LIMIT @count
        """;
}
