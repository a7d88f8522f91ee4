using ConcertBooking.Events.Outbox;
using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// A Kafka consumer, one member of its group: the events it has received and not finished, and the offsets that may be
/// committed. A new client starts from the committed offsets.
/// </summary>
internal sealed class ConsumerClient : IDisposable
{
    private static readonly TimeSpan PollLimit = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a client may take to rejoin by itself after an error.</summary>
    private static readonly TimeSpan RejoinLimit = TimeSpan.FromMinutes(1);

    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly string _group;
    private readonly int _batchSize;
    private readonly TimeProvider _time;
    private readonly ConsumerOffsets _offsets = new();
    private bool _isFatal;
    private long _failedAt;

    /// <param name="problem">Why the previous client received nothing; it stands until this one has joined.</param>
    public ConsumerClient(KafkaCluster kafka, string group, int batchSize, TimeProvider time, string? problem)
    {
        (_group, _batchSize, _time, _failedAt, Problem) = (group, batchSize, time, time.GetTimestamp(), problem);
        _consumer = kafka.Consumer(group, OnRevoked, onAssigned: () => Problem = null, onFatalError: OnError);
    }

    public List<ReceivedEvent> Pending { get; } = [];

    /// <summary>Why the client receives nothing; null while it does.</summary>
    public string? Problem { get; private set; }

    /// <summary>Whether only a new client can continue.</summary>
    public bool IsLost => _isFatal || (Problem is not null && _time.GetElapsedTime(_failedAt) > RejoinLimit);

    public void Subscribe() => _consumer.Subscribe(OutboxEvents.PaymentsTopic);

    /// <summary>Polls until nothing is left or the batch is full; while events are put off, until their pause ends.</summary>
    public void Poll(TimeSpan pause, CancellationToken stoppingToken)
    {
        try
        {
            PollBatch(pause, stoppingToken);
        }
        catch (KafkaException exception)
        {
            // A missing topic is reported and created by KafkaCluster.
            if (exception is ConsumeException && exception.Error.Code is not (ErrorCode.UnknownTopicOrPart or ErrorCode.Local_UnknownTopic))
            {
                OnError(exception.Error);
            }

            stoppingToken.WaitHandle.WaitOne(PollLimit);
        }
    }

    private void PollBatch(TimeSpan pause, CancellationToken stoppingToken)
    {
        var waiting = Pending.Count > 0;
        var until = _time.GetTimestamp() + (long)((waiting ? pause : PollLimit).TotalSeconds * _time.TimestampFrequency);
        while (!stoppingToken.IsCancellationRequested)
        {
            var left = _time.GetElapsedTime(_time.GetTimestamp(), until);
            if (Pending.Count >= _batchSize)
            {
                KeepMembership(left, stoppingToken);
                return;
            }

            var wait = waiting || Pending.Count == 0 ? left : TimeSpan.Zero;
            var result = _consumer.Consume(wait < TimeSpan.Zero ? TimeSpan.Zero : wait > PollLimit ? PollLimit : wait);
            Receive(result);
            if (result is null && (!waiting || left <= TimeSpan.Zero))
            {
                return;
            }
        }
    }

    private void Receive(ConsumeResult<byte[], byte[]>? result)
    {
        if (result is null)
        {
            return;
        }

        Problem = null;
        _offsets.Received(result);
        var received = new ReceivedEvent(result);
        if (received.ReplayGroup is not { } replayGroup || replayGroup == _group)
        {
            Pending.Add(received);
        }
    }

    /// <summary>Waits with all partitions paused. Polling meanwhile keeps the client in its group.</summary>
    private void KeepMembership(TimeSpan wait, CancellationToken stoppingToken)
    {
        var began = _time.GetTimestamp();
        if (wait <= TimeSpan.Zero || !Pending.Exists(static pending => pending.Attempts > 0))
        {
            return;
        }

        _consumer.Pause(_consumer.Assignment);
        try
        {
            while (_time.GetElapsedTime(began) < wait && !stoppingToken.IsCancellationRequested)
            {
                Receive(_consumer.Consume(PollLimit)); // from a partition assigned meanwhile
            }
        }
        finally
        {
            _consumer.Resume(_consumer.Assignment);
        }
    }

    public void StoreOffsets() => _offsets.Store(_consumer, Pending);

    /// <summary>Commits the stored offsets and leaves the group, so that its partitions are reassigned at once.</summary>
    public void Close() => _consumer.Close();

    /// <summary>The member that has these partitions now gets everything that is not committed.</summary>
    private void OnRevoked(IEnumerable<TopicPartition> revoked)
    {
        foreach (var partition in revoked)
        {
            _offsets.Remove(partition);
            Pending.RemoveAll(pending => pending.Result.TopicPartition == partition);
        }
    }

    private void OnError(Error error)
    {
        if (Problem is null)
        {
            _failedAt = _time.GetTimestamp();
        }

        Problem = error.Reason;
        _isFatal |= error.IsFatal;
    }

    public void Dispose() => _consumer.Dispose();
}
