namespace ConcertBooking.Queue.Room;

/// <summary>
/// Slows admission while this instance is in trouble: while requests wait long for a connection to MySQL, or holds
/// take longer than their limit. Every half second of trouble halves the share of a queue's places that may be handed
/// out per second, every calm one doubles it again, up to no limit at all.
/// </summary>
internal sealed class AdmissionController(Settings settings, MySqlDatabase database)
{
    private const double Least = 1.0 / 64;

    private readonly Lock _lock = new();
    private int _holds;
    private TimeSpan _holding;
    private double _share = 1;

    /// <summary>1: not throttled; otherwise a queue admits at most this part of its places per second.</summary>
    public double Share => Volatile.Read(ref _share);

    /// <summary>A hold took this long, whatever came of it.</summary>
    public void Held(TimeSpan time)
    {
        lock (_lock)
        {
            _holds++;
            _holding += time;
        }
    }

    /// <summary>Judges what happened since the last time; called every half second.</summary>
    public void Update()
    {
        var trouble = database.TakeWaitedLong();
        lock (_lock)
        {
            trouble |= _holds > 0 && _holding / _holds > settings.QueueSlowHold;
            (_holds, _holding) = (0, TimeSpan.Zero);
        }

        Volatile.Write(ref _share, trouble ? Math.Max(Least, Share / 2) : Math.Min(1, Share * 2));
    }
}
