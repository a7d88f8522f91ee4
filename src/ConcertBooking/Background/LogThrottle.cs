namespace ConcertBooking.Background;

/// <summary>Keeps what goes on and on from filling the log. For one thread.</summary>
internal sealed class LogThrottle(TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private long? _last;

    /// <summary>Whether to say it now.</summary>
    public bool IsDue()
    {
        if (_last is { } last && time.GetElapsedTime(last) < Interval)
        {
            return false;
        }

        _last = time.GetTimestamp();
        return true;
    }
}
