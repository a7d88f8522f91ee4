namespace ConcertBooking.Background;

/// <summary>
/// Periodic background work. A failed round ends neither the work nor the service: an outage is logged at debug level only,
/// because <c>readyz</c> and the health check report it; anything else is logged, and the next round tries again.
/// </summary>
internal abstract partial class PeriodicService(TimeSpan interval, TimeProvider time, ILogger logger) : BackgroundService
{
    protected TimeProvider Time => time;

    protected abstract Task RoundAsync(CancellationToken stoppingToken);

    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(interval, time);
        do
        {
            try
            {
                await RoundAsync(stoppingToken);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                if (exception is DatabaseUnavailableException or RedisUnavailableException)
                {
                    LogDeferred(logger, GetType().Name, exception.Message);
                }
                else
                {
                    LogFailed(logger, GetType().Name, exception.Message);
                }
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Work} deferred: {Reason}")]
    private static partial void LogDeferred(ILogger logger, string work, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Work} failed, trying again: {Reason}")]
    private static partial void LogFailed(ILogger logger, string work, string reason);
}
