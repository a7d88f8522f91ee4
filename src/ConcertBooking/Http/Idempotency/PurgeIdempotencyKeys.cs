using Dapper;

namespace ConcertBooking.Http.Idempotency;

/// <summary>Removes remembered answers after their 24 hours, a few at a time, so that no request waits behind it.</summary>
internal sealed class PurgeIdempotencyKeys(MySqlDatabase database, TimeProvider time, ILogger<PurgeIdempotencyKeys> logger)
    : PeriodicService(TimeSpan.FromMinutes(1), time, logger)
{
    private const int ChunkSize = 500;

    private const string DeleteSql = """
        DELETE FROM idempotency WHERE created_at < TIMESTAMPADD(HOUR, -@hours, NOW(6)) ORDER BY created_at LIMIT 500
        """;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        var hours = (int)IdempotencySql.Memory.TotalHours;
        while (await database.RunAsync((connection, _) => connection.ExecuteAsync(DeleteSql, new { hours }, commandTimeout: MySqlLimits.StatementSeconds), stoppingToken, MySqlLimits.Background) == ChunkSize)
        {
        }
    }
}
