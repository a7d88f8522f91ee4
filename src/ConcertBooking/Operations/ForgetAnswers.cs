using ConcertBooking.Infrastructure;
using Dapper;

namespace ConcertBooking.Operations;

/// <summary>Removes remembered answers after their 24 hours, a few at a time, so that no request waits behind it.</summary>
internal sealed partial class ForgetAnswers(MySql database, TimeProvider time, ILogger<ForgetAnswers> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);
    private const int ChunkSize = 500;

    private const string DeleteSql = """
        DELETE FROM idempotency WHERE created_at < TIMESTAMPADD(HOUR, -@hours, NOW(6)) ORDER BY created_at LIMIT 500
        """;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                var hours = (int)Idempotency.Memory.TotalHours;
                while (await database.Run((connection, _) => connection.ExecuteAsync(DeleteSql, new { hours }), stoppingToken) == ChunkSize)
                {
                }
            }
            catch (DatabaseUnavailableException exception)
            {
                LogSkipped(exception.Message);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Forgetting old answers put off: {Reason}")]
    private partial void LogSkipped(string reason);
}
