namespace ConcertBooking.Queue.Room;

/// <summary>
/// Admission control by load: throttles admission while this instance is overloaded, that is while requests wait long for a
/// MySQL connection or holds take longer than their limit. Every overloaded half second halves the share of a queue's places
/// that may be filled per second, every other one doubles it, up to no limit.
/// </summary>
internal sealed class AdmissionController(Settings settings, MySqlDatabase database)
{
    private const double MinimumShare = 1.0 / 64;

    private readonly Lock _lock = new();
    private int _holds;
    private TimeSpan _holdTime;
    private double _share = 1;

    /// <summary>1: not throttled; otherwise a queue admits at most this share of its places per second.</summary>
    public double Share => Volatile.Read(ref _share);

    /// <summary>Records how long a hold took, whatever its outcome.</summary>
    public void Held(TimeSpan time)
    {
        lock (_lock)
        {
            _holds++;
            _holdTime += time;
        }
    }

    /// <summary>Adjusts the share to the load since the last call; called every half second.</summary>
    public void Update()
    {
        var isOverloaded = database.TakeWaitedLong();
        lock (_lock)
        {
            isOverloaded |= _holds > 0 && _holdTime / _holds > settings.QueueSlowHold;
            (_holds, _holdTime) = (0, TimeSpan.Zero);
        }

        Volatile.Write(ref _share, isOverloaded ? Math.Max(MinimumShare, Share / 2) : Math.Min(1, Share * 2));
    }
}
