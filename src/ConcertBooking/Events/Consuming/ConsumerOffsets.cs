using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <summary>A consumer's offset in each of its partitions.</summary>
internal sealed class ConsumerOffsets
{
    private readonly Dictionary<TopicPartition, Offset> _next = [];

    public void Received(ConsumeResult<byte[], byte[]> result) => _next[result.TopicPartition] = result.Offset + 1;

    public void Remove(TopicPartition partition) => _next.Remove(partition);

    /// <summary>
    /// Stores each partition's offset up to its first pending event. librdkafka commits stored offsets every second, and
    /// when the partition is revoked or the consumer leaves.
    /// </summary>
    public void Store(IConsumer<byte[], byte[]> consumer, IReadOnlyList<ReceivedEvent> pending)
    {
        var first = pending.GroupBy(static waiting => waiting.Result.TopicPartition)
            .ToDictionary(static waiting => waiting.Key, static waiting => waiting.Min(static one => one.Result.Offset.Value));
        foreach (var (partition, next) in _next)
        {
            try
            {
                consumer.StoreOffset(new TopicPartitionOffset(partition, first.TryGetValue(partition, out var waiting) ? waiting : next));
            }
            catch (KafkaException exception) when (exception.Error.Code == ErrorCode.Local_State)
            {
                // The partition was just revoked; the next Consume reports it.
            }
        }
    }
}
