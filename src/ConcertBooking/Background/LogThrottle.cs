namespace ConcertBooking.Background;

/// <summary>Log throttle: allows a repeated message once a minute. Not thread-safe.</summary>
internal sealed class LogThrottle(TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private long? _last;

    /// <summary>Whether to log the message now.</summary>
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
