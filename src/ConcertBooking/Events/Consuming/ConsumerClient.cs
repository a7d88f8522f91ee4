using ConcertBooking.Events.Outbox;
using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// One client of a consumer group, from joining to its end: what it has received and not finished, and up to where its
/// offsets may be committed. A new client starts from what is committed.
/// </summary>
internal sealed class ConsumerClient : IDisposable
{
    private static readonly TimeSpan PollLimit = TimeSpan.FromMilliseconds(500);

    /// <summary>How long one that reported an error may take to join again by itself.</summary>
    private static readonly TimeSpan RejoinLimit = TimeSpan.FromMinutes(1);

    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly string _group;
    private readonly int _batchSize;
    private readonly TimeProvider _time;
    private readonly ConsumerOffsets _positions = new();
    private bool _isFatal;
    private long _failedAt;

    /// <param name="problem">Why the one before it took nothing, which stands until this one has joined.</param>
    public ConsumerClient(KafkaCluster kafka, string group, int batchSize, TimeProvider time, string? problem)
    {
        (_group, _batchSize, _time, _failedAt, Problem) = (group, batchSize, time, time.GetTimestamp(), problem);
        _consumer = kafka.Consumer(
            group, Forget, onAssigned: () => Problem = null, onFatalError: error => Fail(error, isFatal: error.IsFatal));
    }

    public List<ReceivedEvent> Pending { get; } = [];

    /// <summary>Why it takes nothing; null while it does.</summary>
    public string? Problem { get; private set; }

    /// <summary>Whether only a new client can go on.</summary>
    public bool IsLost => _isFatal || (Problem is not null && _time.GetElapsedTime(_failedAt) > RejoinLimit);

    public void Join() => _consumer.Subscribe(OutboxEvents.PaymentsTopic);

    /// <summary>Takes what there is; while something is put off, for as long as it is put off.</summary>
    public void Fill(TimeSpan pause, CancellationToken stoppingToken)
    {
        try
        {
            Take(pause, stoppingToken);
        }
        catch (KafkaException exception)
        {
            // A topic that is not there is reported, and created, by the watch.
            if (exception is ConsumeException && exception.Error.Code is not (ErrorCode.UnknownTopicOrPart or ErrorCode.Local_UnknownTopic))
            {
                Fail(exception.Error, exception.Error.IsFatal);
            }

            stoppingToken.WaitHandle.WaitOne(PollLimit);
        }
    }

    private void Take(TimeSpan pause, CancellationToken stoppingToken)
    {
        var waiting = Pending.Count > 0;
        var until = _time.GetTimestamp() + (long)((waiting ? pause : PollLimit).TotalSeconds * _time.TimestampFrequency);
        while (!stoppingToken.IsCancellationRequested)
        {
            var left = _time.GetElapsedTime(_time.GetTimestamp(), until);
            if (Pending.Count >= _batchSize)
            {
                Stay(left, stoppingToken);
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
        _positions.Received(result);
        var received = new ReceivedEvent(result);
        if (received.ReplayGroup is not { } replayGroup || replayGroup == _group)
        {
            Pending.Add(received);
        }
    }

    /// <summary>Waits as a member of the group that takes nothing more.</summary>
    private void Stay(TimeSpan wait, CancellationToken stoppingToken)
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
                Receive(_consumer.Consume(PollLimit)); // of a partition that was assigned meanwhile
            }
        }
        finally
        {
            _consumer.Resume(_consumer.Assignment);
        }
    }

    public void Store() => _positions.Store(_consumer, Pending);

    /// <summary>Commits what was stored and leaves the group, so that others go on at once.</summary>
    public void Close() => _consumer.Close();

    /// <summary>Another member has these partitions now, and gets everything that is not committed.</summary>
    private void Forget(IEnumerable<TopicPartition> revoked)
    {
        foreach (var partition in revoked)
        {
            _positions.Forget(partition);
            Pending.RemoveAll(pending => pending.Result.TopicPartition == partition);
        }
    }

    private void Fail(Error error, bool isFatal)
    {
        if (Problem is null)
        {
            _failedAt = _time.GetTimestamp();
        }

        Problem = error.Reason;
        _isFatal |= isFatal;
    }

    public void Dispose() => _consumer.Dispose();
}
