using ConcertBooking.Events.Outbox;
using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// Events that a consumer gave up, on <c>TOPIC.dlq</c> with all that is needed to look at them and to send them again.
/// Replaying is a consumer group of its own: what it has put back is behind its offset, so a repeat finds nothing.
/// </summary>
internal sealed partial class DeadLetters(KafkaCluster kafka, Metrics metrics, TimeProvider time, ILogger<DeadLetters> logger) : IDisposable
{
    private const string Topic = OutboxEvents.DeadLettersTopic;
    private const string ReplayGroup = "concert-booking.replay";
    private const int ChunkSize = 500;
    private static readonly TimeSpan AskLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ReplayLimit = TimeSpan.FromSeconds(20);

    private readonly SemaphoreSlim _replaying = new(1);

    /// <summary>Puts it on the dead-letter topic.</summary>
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
            await ProduceAsync(producer, new Message<byte[], byte[]> { Key = original.Message.Key, Value = original.Message.Value, Headers = headers });
        }
        catch (KafkaException)
        {
            return false;
        }

        metrics.DeadLetter(original.Topic, group);
        LogDead(group, original.TopicPartitionOffset.ToString(), received.Header("ce_id") ?? "", received.Failure?.Message ?? "");
        return true;
    }

    /// <summary>One that has become too large by its headers leaves its value behind, which x-original-offset names: it must not stop the others.</summary>
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

    /// <summary>How many are on the dead-letter topic and were not put back; null when Kafka does not answer.</summary>
    public Task<long?> CountAsync() => AskAsync(static (consumer, partitions) => partitions.Sum(static partition => partition.Until - partition.From));

    /// <summary>Puts dead letters back on their topics, keys and headers kept, in their order.</summary>
    /// <returns>How many; null when Kafka does not answer.</returns>
    public async Task<long?> ReplayAsync()
    {
        await _replaying.WaitAsync();
        try
        {
            return await AskAsync(Replay);
        }
        finally
        {
            _replaying.Release();
        }
    }

    private readonly record struct Waiting(TopicPartition Partition, long From, long Until);

    /// <summary>librdkafka's calls block, so they have a thread of their own.</summary>
    private Task<long?> AskAsync(Func<IConsumer<byte[], byte[]>, List<Waiting>, long> work) => !kafka.Up ? Task.FromResult<long?>(null) : Task.Factory.StartNew(
        () =>
        {
            try
            {
                using var consumer = kafka.Consumer(ReplayGroup, static _ => { });
                return (long?)work(consumer, Find(consumer));
            }
            catch (Exception exception) // whatever becomes of the client, the next call makes a new one
            {
                LogUnknown(exception.Message);
                return null;
            }
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static List<Waiting> Find(IConsumer<byte[], byte[]> consumer)
    {
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        var partitions = admin.GetMetadata(Topic, AskLimit).Topics.Single().Partitions
            .Select(static partition => new TopicPartition(Topic, partition.PartitionId)).ToList();
        var found = new List<Waiting>();
        foreach (var committed in partitions.Count == 0 ? [] : consumer.Committed(partitions, AskLimit))
        {
            var marks = consumer.QueryWatermarkOffsets(committed.TopicPartition, AskLimit);
            found.Add(new Waiting(committed.TopicPartition, Math.Max(committed.Offset.IsSpecial ? 0 : committed.Offset.Value, marks.Low.Value), marks.High.Value));
        }

        return found;
    }

    private long Replay(IConsumer<byte[], byte[]> consumer, List<Waiting> waiting)
    {
        var left = waiting.Where(static partition => partition.From < partition.Until).ToDictionary(static partition => partition.Partition);
        var count = 0L;
        var started = time.GetTimestamp();
        while (left.Count > 0 && time.GetElapsedTime(started) < ReplayLimit)
        {
            consumer.Assign(left.Values.Select(static partition => new TopicPartitionOffset(partition.Partition, partition.From)));
            var chunk = new List<ConsumeResult<byte[], byte[]>>();
            while (chunk.Count < ChunkSize && consumer.Consume(chunk.Count == 0 ? AskLimit : TimeSpan.FromMilliseconds(200)) is { } letter)
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

            count += Task.WhenAll(chunk.Select(SendBackAsync)).GetAwaiter().GetResult().Count(static back => back);
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

    /// <returns>Whether it is back; one that its topic does not take stays a dead letter, as the last one.</returns>
    private async Task<bool> SendBackAsync(ConsumeResult<byte[], byte[]> letter)
    {
        var producer = kafka.Producer ?? throw new KafkaException(ErrorCode.Local_AllBrokersDown);
        var message = letter.Message;
        try
        {
            await producer.ProduceAsync(
                DeadLetterHeaders.TopicOf(message.Headers) ?? OutboxEvents.PaymentsTopic,
                new Message<byte[], byte[]> { Key = message.Key, Value = message.Value, Headers = DeadLetterHeaders.ForReplay(message.Headers) });
            return true;
        }
        catch (KafkaException exception) when (exception.Error.Code is ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidMsg or ErrorCode.InvalidMsgSize
            or ErrorCode.TopicException or ErrorCode.TopicAuthorizationFailed or ErrorCode.Local_InvalidArg)
        {
            LogStays(letter.TopicPartitionOffset.ToString(), exception.Error.Reason);
            await producer.ProduceAsync(Topic, message);
            return false;
        }
    }

    public void Dispose() => _replaying.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group} gave up {Message}, event {Id}, now a dead letter: {Reason}")]
    private partial void LogDead(string group, string message, string id, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Dead letter {Letter} is not taken by its topic: {Reason}")]
    private partial void LogStays(string letter, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Dead letters cannot be looked at: {Reason}")]
    private partial void LogUnknown(string reason);
}
