
namespace ConcertBooking.Queue.Room;

/// <summary>
/// Ten times a second every queue with a line is looked at, so that places ending by time are handed on when nobody
/// asks; the settings are read again every second, and every two seconds all queues are counted, because other
/// instances may have filled them. Any instance that can be asked may do it, and each does.
/// </summary>
internal sealed class SweepQueues(Queues queues, WaitingRoom room, AdmissionController admission, Metrics metrics, TimeProvider time, ILogger<SweepQueues> logger)
    : PeriodicService(TimeSpan.FromMilliseconds(100), time, logger)
{
    private const int RoundsPerJudgement = 5;
    private const int RoundsPerRefresh = 10;
    private const int RoundsPerCount = 20;
    private int _round;
    private Task _refreshing = Task.CompletedTask;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        var round = _round++;
        if (round % RoundsPerJudgement == 0)
        {
            admission.Update();
            metrics.AdmissionShare = admission.Share;
        }

        var all = round % RoundsPerCount == 0;
        var counting = EachQueue.RunAsync(queues.Known.Where(queue => all || room.HasLine(queue.Name)), room.CountAsync);

        // A slow MySQL holds up its own reading only, not the line.
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
            if (queue.IsNew && room.HasPeople(queue.Name))
            {
                await queues.MarkEnteredAsync(queue.Name, stoppingToken);
            }
        }
    }
}
