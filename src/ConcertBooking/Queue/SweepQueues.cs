using ConcertBooking.Infrastructure;

namespace ConcertBooking.Queue;

/// <summary>
/// Looks at every queue four times a second, so that places ending by time are handed on when nobody asks, and reads
/// the queues' settings again every second. Any instance may do it, and each does.
/// </summary>
internal sealed class SweepQueues(Queues queues, WaitingRoom room, TimeProvider time, ILogger<SweepQueues> logger)
    : PeriodicService(TimeSpan.FromMilliseconds(250), time, logger)
{
    private const int RoundsPerRefresh = 4;
    private int _round;

    protected override async Task Round(CancellationToken stoppingToken)
    {
        if (_round++ % RoundsPerRefresh == 0)
        {
            await queues.Refresh(stoppingToken);
        }

        foreach (var queue in queues.Known)
        {
            await room.Count(queue);
        }
    }
}
