namespace ConcertBooking.Redis;

/// <summary>
/// Redis's clock as seen from here. Admissions end by that clock, so an instance whose own clock is wrong still
/// judges a pass rightly while Redis is away.
/// </summary>
internal sealed class RedisClock(TimeProvider time)
{
    private long _offsetMilliseconds;

    public long NowMilliseconds => time.GetUtcNow().ToUnixTimeMilliseconds() + Interlocked.Read(ref _offsetMilliseconds);

    /// <param name="nowMicroseconds">Redis's TIME in a reply that has just arrived.</param>
    public void Learn(long nowMicroseconds) =>
        Interlocked.Exchange(ref _offsetMilliseconds, (nowMicroseconds / 1000) - time.GetUtcNow().ToUnixTimeMilliseconds());
}
