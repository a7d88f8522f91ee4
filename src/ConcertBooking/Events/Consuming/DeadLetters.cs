using ConcertBooking.Events.Outbox;
using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// Dead-letter queue: events that a consumer gave up, on <c>TOPIC.dlq</c> with what is needed to inspect and replay them.
/// Replay is a consumer group of its own: replayed letters are behind its offset, so a second replay skips them.
/// </summary>
internal sealed partial class DeadLetters(KafkaCluster kafka, Metrics metrics, TimeProvider time, ILogger<DeadLetters> logger)
    : IDisposable
{
    private const string Topic = OutboxEvents.DeadLettersTopic;
    private const string ReplayGroup = "concert-booking.replay";
    private const int ChunkSize = 500;
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ReplayTimeout = TimeSpan.FromSeconds(20);

    private readonly SemaphoreSlim _replayLock = new(1);

    /// <summary>Publishes the event to the dead-letter topic.</summary>
    /// <returns>Whether Kafka has acknowledged it; only then may the offset of the original be committed.</returns>
    public async Task<bool> AddAsync(ReceivedEvent received, string group)
    {
        if (kafka.Producer is not { } producer)
        {
            return false;
        }

        var original = received.Result;
        var headers = DeadLetterHeaders.ForLetter(received, group, time.GetUtcNow());
        try
        {
            var (key, value) = (original.Message.Key, original.Message.Value);
            await ProduceAsync(producer, new Message<byte[], byte[]> { Key = key, Value = value, Headers = headers });
        }
        catch (KafkaException)
        {
            return false;
        }

        metrics.DeadLetter(original.Topic, group);
        LogDead(group, original.TopicPartitionOffset.ToString(), received.Header("ce_id") ?? "", received.Failure?.Message ?? "");
        return true;
    }

    /// <summary>
    /// A letter that its headers make too large is published without its value, which x-original-offset locates, so that it
    /// does not block the others.
    /// </summary>
    private static async Task ProduceAsync(IProducer<byte[], byte[]> producer, Message<byte[], byte[]> letter)
    {
        try
        {
            await producer.ProduceAsync(Topic, letter);
        }
        catch (KafkaException exception) when (exception.Error.Code is ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidMsgSize)
        {
            letter.Value = [];
            await producer.ProduceAsync(Topic, letter);
        }
    }

    /// <summary>How many dead letters were not replayed; null when Kafka does not respond.</summary>
    public Task<long?> CountAsync() =>
        RunAsync(static (consumer, partitions) => partitions.Sum(static partition => partition.Until - partition.From));

    /// <summary>Publishes dead letters to their topics again, in order, with their keys and headers.</summary>
    /// <returns>How many; null when Kafka does not respond.</returns>
    public async Task<long?> ReplayAsync()
    {
        await _replayLock.WaitAsync();
        try
        {
            return await RunAsync(Replay);
        }
        finally
        {
            _replayLock.Release();
        }
    }

    /// <summary>The offsets of a partition that were not replayed yet.</summary>
    private readonly record struct Unreplayed(TopicPartition Partition, long From, long Until);

    /// <summary>librdkafka's calls block, so they run on a thread of their own.</summary>
    private Task<long?> RunAsync(Func<IConsumer<byte[], byte[]>, List<Unreplayed>, long> work) => !kafka.Up
        ? Task.FromResult<long?>(null)
        : Task.Factory.StartNew(
            () =>
            {
                try
                {
                    using var consumer = kafka.Consumer(ReplayGroup, static _ => { });
                    return (long?)work(consumer, Find(consumer));
                }
                catch (Exception exception) // of any kind: the next call makes a new client
                {
                    LogUnknown(exception.Message);
                    return null;
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static List<Unreplayed> Find(IConsumer<byte[], byte[]> consumer)
    {
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        var partitions = admin.GetMetadata(Topic, RequestTimeout).Topics.Single().Partitions
            .Select(static partition => new TopicPartition(Topic, partition.PartitionId)).ToList();
        var found = new List<Unreplayed>();
        foreach (var committed in partitions.Count == 0 ? [] : consumer.Committed(partitions, RequestTimeout))
        {
            var marks = consumer.QueryWatermarkOffsets(committed.TopicPartition, RequestTimeout);
            var next = committed.Offset.IsSpecial ? 0 : committed.Offset.Value;
            found.Add(new Unreplayed(committed.TopicPartition, Math.Max(next, marks.Low.Value), marks.High.Value));
        }

        return found;
    }

    private long Replay(IConsumer<byte[], byte[]> consumer, List<Unreplayed> partitions)
    {
        var left = partitions.Where(static partition => partition.From < partition.Until)
            .ToDictionary(static partition => partition.Partition);
        var count = 0L;
        var started = time.GetTimestamp();
        while (left.Count > 0 && time.GetElapsedTime(started) < ReplayTimeout)
        {
            consumer.Assign(left.Values.Select(static partition => new TopicPartitionOffset(partition.Partition, partition.From)));
            var chunk = new List<ConsumeResult<byte[], byte[]>>();
            while (chunk.Count < ChunkSize
                && consumer.Consume(chunk.Count == 0 ? RequestTimeout : TimeSpan.FromMilliseconds(200)) is { } letter)
            {
                if (left.TryGetValue(letter.TopicPartition, out var partition) && letter.Offset < partition.Until)
                {
                    chunk.Add(letter);
                }
            }

            if (chunk.Count == 0)
            {
                break;
            }

            count += Task.WhenAll(chunk.Select(ReplayAsync)).GetAwaiter().GetResult().Count(static replayed => replayed);
            foreach (var ofPartition in chunk.GroupBy(static letter => letter.TopicPartition))
            {
                var next = ofPartition.Max(static letter => letter.Offset.Value) + 1;
                consumer.Commit([new TopicPartitionOffset(ofPartition.Key, next)]);
                left[ofPartition.Key] = left[ofPartition.Key] with { From = next };
                if (next >= left[ofPartition.Key].Until)
                {
                    left.Remove(ofPartition.Key);
                }
            }
        }

        return count;
    }

    /// <returns>Whether it was replayed; a letter that its topic refuses stays a dead letter, as the newest one.</returns>
    private async Task<bool> ReplayAsync(ConsumeResult<byte[], byte[]> letter)
    {
        var producer = kafka.Producer ?? throw new KafkaException(ErrorCode.Local_AllBrokersDown);
        var message = letter.Message;
        try
        {
            await producer.ProduceAsync(
                DeadLetterHeaders.TopicOf(message.Headers) ?? OutboxEvents.PaymentsTopic,
                new Message<byte[], byte[]>
                {
                    Key = message.Key,
                    Value = message.Value,
                    Headers = DeadLetterHeaders.ForReplay(message.Headers),
                });
            return true;
        }
        catch (KafkaException exception) when (exception.Error.Code is ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidMsg
            or ErrorCode.InvalidMsgSize or ErrorCode.TopicException or ErrorCode.TopicAuthorizationFailed or ErrorCode.Local_InvalidArg)
        {
            LogStays(letter.TopicPartitionOffset.ToString(), exception.Error.Reason);
            await producer.ProduceAsync(Topic, message);
            return false;
        }
    }

    public void Dispose() => _replayLock.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group} gave up {Message}, event {Id}, now a dead letter: {Reason}")]
    private partial void LogDead(string group, string message, string id, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Dead letter {Letter} is not taken by its topic: {Reason}")]
    private partial void LogStays(string letter, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Dead letters cannot be looked at: {Reason}")]
    private partial void LogUnknown(string reason);
}
