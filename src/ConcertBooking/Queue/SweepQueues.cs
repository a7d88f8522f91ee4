using ConcertBooking.Infrastructure;

namespace ConcertBooking.Queue;

/// <summary>
/// Looks at every queue four times a second, so that places ending by time are handed on when nobody asks, and reads
/// the queues' settings again every second. Any instance may do it, and each does.
/// </summary>
internal sealed partial class SweepQueues(Queues queues, WaitingRoom room, TimeProvider time, ILogger<SweepQueues> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private const int TicksPerRefresh = 4;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        for (var tick = 0; ; tick++)
        {
            try
            {
                if (tick % TicksPerRefresh == 0)
                {
                    await queues.Refresh(stoppingToken);
                }

                foreach (var queue in queues.Known)
                {
                    await room.Count(queue);
                }
            }
            catch (Exception exception) when (exception is DatabaseUnavailableException or RedisUnavailableException)
            {
                LogSkipped(exception.Message);
            }

            await timer.WaitForNextTickAsync(stoppingToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Sweep of the queues put off: {Reason}")]
    private partial void LogSkipped(string reason);
}
