namespace ConcertBooking.Events.Consuming;

/// <summary>
/// A circuit breaker for each partition, so that one that takes nothing (it has no leader, or too few replicas) does
/// not hold up the others. Open after a failure, for 1 to 5 s; then one event at a time tries whether it is back, and
/// the others of the partition wait for its outcome.
/// </summary>
internal sealed class PartitionBreakers(TimeProvider time)
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>While one event tries. Thousands may wait, are older than what flows, and cost a claim each time.</summary>
    private static readonly TimeSpan TryPause = TimeSpan.FromSeconds(4);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Topic, int Partition), Breaker> _open = [];

    /// <returns>Null when an event of the partition may be sent now, else how long to put it off.</returns>
    public TimeSpan? Enter((string Topic, int Partition) partition)
    {
        lock (_lock)
        {
            if (!_open.TryGetValue(partition, out var breaker))
            {
                return null;
            }

            var left = breaker.Pause - time.GetElapsedTime(breaker.Since);
            if (left > TimeSpan.Zero)
            {
                return left;
            }

            if (breaker.IsTried)
            {
                return TryPause;
            }

            breaker.IsTried = true;
            return null;
        }
    }

    public void Succeed((string Topic, int Partition) partition)
    {
        lock (_lock)
        {
            _open.Remove(partition);
        }
    }

    public void Fail((string Topic, int Partition) partition)
    {
        lock (_lock)
        {
            if (!_open.TryGetValue(partition, out var breaker))
            {
                _open[partition] = breaker = new Breaker { Pause = ShortestPause };
            }
            else if (breaker.IsTried)
            {
                breaker.Pause = breaker.Pause * 2 < LongestPause ? breaker.Pause * 2 : LongestPause;
            }

            (breaker.Since, breaker.IsTried) = (time.GetTimestamp(), false);
        }
    }

    private sealed class Breaker
    {
        public long Since { get; set; }

        public TimeSpan Pause { get; set; }

        /// <summary>One event is on its way to see whether the partition is back.</summary>
        public bool IsTried { get; set; }
    }
}
