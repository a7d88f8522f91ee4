namespace ConcertBooking.Events.Outbox;

/// <summary>
/// A circuit breaker for each partition, so that an unavailable one (no leader, or too few replicas) does not hold up the
/// others. Open after a failure, for 1 to 5 s; then half-open: one event probes the partition, and the others wait for its
/// outcome.
/// </summary>
internal sealed class PartitionBreakers(TimeProvider time)
{
    private static readonly TimeSpan MinimumPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaximumPause = TimeSpan.FromSeconds(5);

    /// <summary>While one event probes. Thousands may wait, and each retry costs a claim.</summary>
    private static readonly TimeSpan ProbePause = TimeSpan.FromSeconds(4);

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

            if (breaker.IsHalfOpen)
            {
                return ProbePause;
            }

            breaker.IsHalfOpen = true;
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
                _open[partition] = breaker = new Breaker { Pause = MinimumPause };
            }
            else if (breaker.IsHalfOpen)
            {
                breaker.Pause = breaker.Pause * 2 < MaximumPause ? breaker.Pause * 2 : MaximumPause;
            }

            (breaker.Since, breaker.IsHalfOpen) = (time.GetTimestamp(), false);
        }
    }

    private sealed class Breaker
    {
        public long Since { get; set; }

        public TimeSpan Pause { get; set; }

        /// <summary>One event is being sent to probe the partition.</summary>
        public bool IsHalfOpen { get; set; }
    }
}
