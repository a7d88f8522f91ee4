namespace ConcertBooking.Queue.Room;

/// <summary>
/// Sweeps the queues: ten times a second those where users wait, so that ended places are given to the next users even if
/// no client polls; the settings are read every second, and all queues are counted every two seconds, because other instances
/// may have filled them. Every instance does so.
/// </summary>
internal sealed class SweepQueues(
    Queues queues, WaitingRoom room, AdmissionController admission, Metrics metrics, TimeProvider time, ILogger<SweepQueues> logger)
    : PeriodicService(TimeSpan.FromMilliseconds(100), time, logger)
{
    private const int RoundsPerUpdate = 5;
    private const int RoundsPerRefresh = 10;
    private static readonly TimeSpan CountInterval = TimeSpan.FromSeconds(2);
    private int _round;
    private long _countedAt;
    private Task _refreshing = Task.CompletedTask;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        var round = _round++;
        if (round % RoundsPerUpdate == 0)
        {
            admission.Update();
            metrics.AdmissionShare = admission.Share;
        }

        // By the clock: the rounds of a slow Redis take longer.
        var all = Time.GetElapsedTime(_countedAt) >= CountInterval;
        if (all)
        {
            _countedAt = Time.GetTimestamp();
        }

        var counting = EachQueue.RunAsync(queues.Known.Where(queue => all || room.HasWaiting(queue.Name)), room.CountAsync);

        // A slow MySQL delays only the settings, not the sweep.
        var last = Task.CompletedTask;
        if (round % RoundsPerRefresh == 0 && _refreshing.IsCompleted)
        {
            last = _refreshing;
            _refreshing = RefreshAsync(stoppingToken);
        }

        await Task.WhenAll(counting, last);
    }

    private async Task RefreshAsync(CancellationToken stoppingToken)
    {
        await queues.RefreshAsync(stoppingToken);
        foreach (var queue in queues.Known)
        {
            metrics.RegisterQueue(queue.Name);
            if (queue.IsNew && room.HasUsers(queue.Name))
            {
                await queues.MarkEnteredAsync(queue.Name, stoppingToken);
            }
        }
    }
}
