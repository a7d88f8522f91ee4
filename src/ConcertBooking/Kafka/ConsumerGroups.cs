using System.Collections.Concurrent;

namespace ConcertBooking.Kafka;

/// <summary>
/// The consumer groups of this instance: whether each is running, and its lag and progress over all instances.
/// </summary>
internal sealed class ConsumerGroups(Metrics metrics, TimeProvider time)
{
    /// <summary>How often the lag is measured.</summary>
    public static readonly TimeSpan MeasurementInterval = TimeSpan.FromSeconds(5);

    /// <summary>After a longer time without a measurement it is unknown whether the group made progress meanwhile.</summary>
    private static readonly TimeSpan MaximumMeasurementGap = 3 * MeasurementInterval;

    private readonly ConcurrentDictionary<string, bool> _running = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Progress> _progress = new(StringComparer.Ordinal);

    private readonly record struct Progress(long Committed, long StalledSince, long MeasuredAt);

    public IEnumerable<string> Names => _running.Keys;

    public bool AllRunning => _running.Values.All(static running => running);

    /// <summary>Adds a group that is expected to run from now on.</summary>
    public void Register(string group, string topic)
    {
        metrics.DeadLetter(topic, group, 0); // the series begins at zero
        Report(group, running: true);
    }

    /// <param name="group">The name of the group.</param>
    /// <param name="topic">What it consumes.</param>
    /// <param name="committed">How many messages it has processed, over all partitions.</param>
    /// <param name="lag">How many it has not.</param>
    public void RecordLag(string group, string topic, long committed, long lag)
    {
        metrics.ConsumerLag(group, topic, lag);
        var now = time.GetTimestamp();
        var isStalled = _progress.TryGetValue(group, out var last) && lag > 0 && last.Committed == committed
            && time.GetElapsedTime(last.MeasuredAt, now) < MaximumMeasurementGap;
        _progress[group] = new Progress(committed, isStalled ? last.StalledSince : now, now);
    }

    /// <summary>How long the whole group has made no progress although messages wait, as far as it was measured.</summary>
    public TimeSpan StalledFor(string group) =>
        _progress.TryGetValue(group, out var progress) ? time.GetElapsedTime(progress.StalledSince, progress.MeasuredAt) : TimeSpan.Zero;

    public void Report(string group, bool running)
    {
        _running[group] = running;
        metrics.Consumer(group, running);
    }
}
