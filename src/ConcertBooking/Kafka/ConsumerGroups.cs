using System.Collections.Concurrent;

namespace ConcertBooking.Kafka;

/// <summary>The consumer groups of this instance, whether each can take events, and how far it is behind over all instances.</summary>
internal sealed class ConsumerGroups(Metrics metrics, TimeProvider time)
{
    /// <summary>After a longer time without a measurement nobody knows whether the group stood still meanwhile.</summary>
    private static readonly TimeSpan MeasurementGap = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<string, bool> _runs = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Progress> _progress = new(StringComparer.Ordinal);

    private readonly record struct Progress(long Committed, long StillSince, long MeasuredAt);

    public IEnumerable<string> Names => _runs.Keys;

    public bool AllRun => _runs.Values.All(static runs => runs);

    /// <summary>From now on the group is to run.</summary>
    public void Expect(string group, string topic)
    {
        metrics.DeadLetter(topic, group, 0); // the series begins at zero
        Report(group, runs: true);
    }

    /// <param name="group">The name of the group.</param>
    /// <param name="topic">What it consumes.</param>
    /// <param name="committed">How many messages it has finished, over all partitions.</param>
    /// <param name="lag">How many it has not.</param>
    public void Measured(string group, string topic, long committed, long lag)
    {
        metrics.ConsumerLag(group, topic, lag);
        var now = time.GetTimestamp();
        var isStill = _progress.TryGetValue(group, out var last) && lag > 0 && last.Committed == committed
            && time.GetElapsedTime(last.MeasuredAt, now) < MeasurementGap;
        _progress[group] = new Progress(committed, isStill ? last.StillSince : now, now);
    }

    /// <summary>For how long the whole group has finished nothing although messages wait, as far as it was measured.</summary>
    public TimeSpan StillFor(string group) =>
        _progress.TryGetValue(group, out var progress) ? time.GetElapsedTime(progress.StillSince, progress.MeasuredAt) : TimeSpan.Zero;

    public void Report(string group, bool runs)
    {
        _runs[group] = runs;
        metrics.Consumer(group, runs);
    }
}
