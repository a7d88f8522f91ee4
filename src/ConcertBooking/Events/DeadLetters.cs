using System.Globalization;
using System.Text;
using ConcertBooking.Infrastructure;
using Confluent.Kafka;

namespace ConcertBooking.Events;

/// <summary>
/// Events that a consumer gave up, on <c>TOPIC.dlq</c> with all that is needed to look at them and to send them again.
/// Replaying is a consumer group of its own: what it has put back is behind its offset, so a repeat finds nothing.
/// </summary>
internal sealed partial class DeadLetters(Kafka kafka, Metrics metrics, TimeProvider time, ILogger<DeadLetters> logger) : IDisposable
{
    private const string Topic = Outbox.PaymentsTopic + ".dlq";
    private const string ReplayGroup = "concert-booking.replay";
    private const int ChunkSize = 500;
    private static readonly TimeSpan AskLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ReplayLimit = TimeSpan.FromSeconds(20);

    private readonly SemaphoreSlim _replaying = new(1);

    /// <summary>Lets the metric of a group begin at zero.</summary>
    public void Expect(string group) => metrics.DeadLetter(Outbox.PaymentsTopic, group, 0);

    /// <summary>Puts it on the dead-letter topic.</summary>
    /// <returns>Whether Kafka has acknowledged it; only then may the offset of the original be committed.</returns>
    public async Task<bool> Add(ReceivedEvent received, string group)
    {
        if (kafka.Producer is not { } producer)
        {
            return false;
        }

        var original = received.Result;
        var headers = new Headers();
        foreach (var header in original.Message.Headers?.Where(static header => !header.Key.StartsWith("x-", StringComparison.Ordinal)) ?? [])
        {
            headers.Add(header);
        }

        Add("x-original-topic", original.Topic);
        Add("x-original-partition", original.Partition.Value.ToString(CultureInfo.InvariantCulture));
        Add("x-original-offset", original.Offset.Value.ToString(CultureInfo.InvariantCulture));
        Add("x-exception", $"{received.Failure?.GetType().Name}: {received.Failure?.Message}");
        Add("x-attempts", received.Attempts.ToString(CultureInfo.InvariantCulture));
        Add("x-failed-at", time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        Add("x-consumer-group", group);
        try
        {
            await producer.ProduceAsync(
                $"{original.Topic}.dlq", new Message<byte[], byte[]> { Key = original.Message.Key, Value = original.Message.Value, Headers = headers });
        }
        catch (KafkaException)
        {
            return false;
        }

        metrics.DeadLetter(original.Topic, group);
        LogDead(group, original.TopicPartitionOffset.ToString(), received.Header("ce_id") ?? "", received.Failure?.Message ?? "");
        return true;

        void Add(string name, string value) => headers.Add(name, Encoding.UTF8.GetBytes(value));
    }

    /// <summary>How many are on the dead-letter topic and were not put back; null when Kafka does not answer.</summary>
    public Task<long?> Count() => Ask(static (consumer, partitions) => partitions.Sum(static partition => partition.Until - partition.From));

    /// <summary>Puts dead letters back on their topics, keys and headers kept, in their order.</summary>
    /// <returns>How many; null when Kafka does not answer.</returns>
    public async Task<long?> Replay()
    {
        await _replaying.WaitAsync();
        try
        {
            return await Ask(Replay);
        }
        finally
        {
            _replaying.Release();
        }
    }

    private readonly record struct Waiting(TopicPartition Partition, long From, long Until);

    /// <summary>librdkafka's calls block, so they have a thread of their own.</summary>
    private Task<long?> Ask(Func<IConsumer<byte[], byte[]>, List<Waiting>, long> work) => !kafka.Up ? Task.FromResult<long?>(null) : Task.Factory.StartNew(
        () =>
        {
            try
            {
                using var consumer = kafka.Consumer(ReplayGroup, static _ => { });
                return (long?)work(consumer, Find(consumer));
            }
            catch (KafkaException exception)
            {
                LogUnknown(exception.Error.Reason);
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

            Task.WhenAll(chunk.Select(SendBack)).GetAwaiter().GetResult();
            count += chunk.Count;
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

    private Task SendBack(ConsumeResult<byte[], byte[]> letter)
    {
        var headers = new Headers();
        foreach (var header in letter.Message.Headers.Where(static header => !header.Key.StartsWith("x-", StringComparison.Ordinal)))
        {
            headers.Add(header);
        }

        var topic = letter.Message.Headers.TryGetLastBytes("x-original-topic", out var original)
            ? Encoding.UTF8.GetString(original)
            : letter.Topic[..^".dlq".Length];
        var producer = kafka.Producer ?? throw new KafkaException(ErrorCode.Local_AllBrokersDown);
        return producer.ProduceAsync(topic, new Message<byte[], byte[]> { Key = letter.Message.Key, Value = letter.Message.Value, Headers = headers });
    }

    public void Dispose() => _replaying.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group} gave up {Message}, event {Id}, now a dead letter: {Reason}")]
    private partial void LogDead(string group, string message, string id, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Dead letters cannot be looked at: {Reason}")]
    private partial void LogUnknown(string reason);
}
