using System.Collections.Concurrent;

namespace ConcertBooking.Events.Outbox;

/// <summary>The outcome of sending the claimed events of one key.</summary>
internal sealed class OutboxOutcome(Guid claim, Guid key)
{
    public Guid Claim => claim;

    public Guid Key => key;

    public List<OutboxEvent> Sent { get; } = [];

    public List<OutboxEvent> Unsent { get; init; } = [];

    /// <summary>How long unsent events are put off.</summary>
    public TimeSpan Delay { get; set; }

    public (OutboxEvent Event, string Error)? Refused { get; set; }

    /// <summary>Another outcome of the same key is still to come.</summary>
    public bool IsSecond { get; init; }

    public int Count => Sent.Count + Unsent.Count + (Refused is null ? 0 : 1);
}

/// <summary>Writes outcomes of claimed events to the outbox, many keys in a statement. Any thread adds, one settles.</summary>
internal sealed partial class OutboxSettlement(OutboxTable table, Metrics metrics, ILogger logger)
{
    private readonly ConcurrentQueue<OutboxOutcome> _ended = new();
    private readonly List<OutboxOutcome> _unsettled = [];

    public void Add(OutboxOutcome outcome) => _ended.Enqueue(outcome);

    /// <returns>The outcomes that were written. After a database error, the next call writes them again.</returns>
    public async Task<List<OutboxOutcome>> SettleAsync()
    {
        while (_ended.TryDequeue(out var outcome))
        {
            _unsettled.Add(outcome);
        }

        if (_unsettled.Count == 0)
        {
            return [];
        }

        var claims = _unsettled.Select(static outcome => outcome.Claim).ToHashSet();
        var sent = _unsettled.SelectMany(static outcome => outcome.Sent).ToList();
        if (sent.Count > 0)
        {
            await table.AcknowledgeAsync(claims, sent);
        }

        foreach (var putOff in _unsettled.Where(static outcome => outcome.Unsent.Count > 0).GroupBy(static outcome => outcome.Delay))
        {
            await table.PutOffAsync(claims, [.. putOff.SelectMany(static outcome => outcome.Unsent)], putOff.Key);
        }

        var refused = _unsettled.Where(static outcome => outcome.Refused is not null)
            .Select(static outcome => (outcome.Claim, outcome.Refused!.Value.Event, outcome.Refused.Value.Error)).ToList();
        if (refused.Count > 0)
        {
            await table.RefuseAsync(refused);
            LogRefused(logger, refused.Count, refused[0].Error);
        }

        Count(sent, "sent");
        Count(refused.Select(static refusal => refusal.Event), "refused");
        var settled = _unsettled.ToList();
        _unsettled.Clear();
        return settled;
    }

    private void Count(IEnumerable<OutboxEvent> events, string result)
    {
        foreach (var ofTopic in events.CountBy(static settled => settled.Topic))
        {
            metrics.Published(ofTopic.Key, result, ofTopic.Value);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka refused {Count} events, the first because: {Reason}")]
    private static partial void LogRefused(ILogger logger, int count, string reason);
}
