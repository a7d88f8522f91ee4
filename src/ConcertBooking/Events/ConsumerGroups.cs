using System.Collections.Concurrent;
using ConcertBooking.Infrastructure;

namespace ConcertBooking.Events;

/// <summary>The consumer groups of this instance and whether each can take events, for readyz and the metrics.</summary>
internal sealed class ConsumerGroups(Metrics metrics)
{
    private readonly ConcurrentDictionary<string, bool> _runs = new(StringComparer.Ordinal);

    public IEnumerable<string> Names => _runs.Keys;

    public bool AllRun => _runs.Values.All(static runs => runs);

    /// <summary>From now on the group is to run.</summary>
    public void Expect(string group)
    {
        metrics.DeadLetter(Outbox.PaymentsTopic, group, 0); // the series begins at zero
        Report(group, runs: true);
    }

    public void Report(string group, bool runs)
    {
        _runs[group] = runs;
        metrics.Consumer(group, runs);
    }
}
