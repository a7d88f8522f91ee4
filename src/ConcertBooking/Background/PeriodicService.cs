namespace ConcertBooking.Background;

/// <summary>
/// Background work that is done again and again. No failure of one round ends it, let alone the service: an outage
/// is quiet, because <c>readyz</c> and its log tell of it; anything else is logged, and the next round tries again.
/// </summary>
internal abstract partial class PeriodicService(TimeSpan interval, TimeProvider time, ILogger logger) : BackgroundService
{
    protected TimeProvider Time => time;

    /// <summary>One round.</summary>
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
                    LogPutOff(logger, GetType().Name, exception.Message);
                }
                else
                {
                    LogFailed(logger, GetType().Name, exception.Message);
                }
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Work} put off: {Reason}")]
    private static partial void LogPutOff(ILogger logger, string work, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Work} failed, trying again: {Reason}")]
    private static partial void LogFailed(ILogger logger, string work, string reason);
}
