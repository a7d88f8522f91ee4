namespace ConcertBooking.Redis;

/// <summary>
/// Estimates the clock of Redis by its offset to the local clock. Admissions end by that clock, so an instance whose own clock
/// is wrong still validates a pass correctly while Redis cannot be reached.
/// </summary>
internal sealed class RedisClock(TimeProvider time)
{
    private long _offsetMilliseconds;

    public long NowMilliseconds => time.GetUtcNow().ToUnixTimeMilliseconds() + Interlocked.Read(ref _offsetMilliseconds);

    /// <param name="nowMicroseconds">Redis's TIME in a reply that has just arrived.</param>
    public void Update(long nowMicroseconds) =>
        Interlocked.Exchange(ref _offsetMilliseconds, (nowMicroseconds / 1000) - time.GetUtcNow().ToUnixTimeMilliseconds());
}
