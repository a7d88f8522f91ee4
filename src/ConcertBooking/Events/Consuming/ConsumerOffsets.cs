using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <summary>How far a consumer has come in each of its partitions.</summary>
internal sealed class ConsumerOffsets
{
    private readonly Dictionary<TopicPartition, Offset> _next = [];

    public void Received(ConsumeResult<byte[], byte[]> result) => _next[result.TopicPartition] = result.Offset + 1;

    public void Forget(TopicPartition partition) => _next.Remove(partition);

    /// <summary>
    /// Up to the first of each partition whose effect is not done. librdkafka commits what was stored every second,
    /// and when the partition is taken away or the consumer leaves.
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
                // The partition was just taken away; the next Consume tells.
            }
        }
    }
}
