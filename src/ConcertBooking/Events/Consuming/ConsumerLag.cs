using ConcertBooking.Events.Outbox;
using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// Measures the lag of each consumer group, over all its members. The brokers report it, so that it is also known for a
/// group that is stuck or has no member.
/// </summary>
internal sealed partial class ConsumerLag(KafkaCluster kafka, ConsumerGroups groups, TimeProvider time, ILogger<ConsumerLag> logger)
    : PeriodicService(ConsumerGroups.MeasurementInterval, time, logger)
{
    private const string Topic = OutboxEvents.PaymentsTopic;
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);

    private readonly LogThrottle _unknownThrottle = new(time);
    private IAdminClient? _client;

    /// <summary>librdkafka's calls block, so they run on a thread of their own.</summary>
    protected override Task RoundAsync(CancellationToken stoppingToken) => !kafka.Up ? Task.CompletedTask : Task.Factory.StartNew(
        Measure, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>If the brokers cannot be reached, the last values stand; readyz reports why.</summary>
    private void Measure()
    {
        try
        {
            _client ??= kafka.AdminClient();
            var ends = Ends(_client);
            foreach (var group in groups.Names)
            {
                var committed = Committed(_client, group, ends);
                groups.RecordLag(group, Topic, committed, ends.Values.Sum(static end => end.Next) - committed);
            }
        }
        catch (Exception exception) when (exception is KafkaException or KafkaLibraryException)
        {
            if (_unknownThrottle.IsDue())
            {
                LogUnknown(exception.Message);
            }

            _client?.Dispose();
            _client = null;
        }
    }

    /// <summary>The first and the next offset of each partition.</summary>
    private static Dictionary<TopicPartition, (long First, long Next)> Ends(IAdminClient client)
    {
        var partitions = client.GetMetadata(Topic, RequestTimeout).Topics.Single().Partitions
            .Select(static partition => new TopicPartition(Topic, partition.PartitionId)).ToList();
        var (first, next) = (Offsets(client, partitions, OffsetSpec.Earliest()), Offsets(client, partitions, OffsetSpec.Latest()));
        return partitions.ToDictionary(static partition => partition, partition => (first[partition], next[partition]));
    }

    private static Dictionary<TopicPartition, long> Offsets(IAdminClient client, List<TopicPartition> partitions, OffsetSpec spec) =>
        partitions.Count == 0 ? [] : client.ListOffsetsAsync(
                partitions.Select(partition => new TopicPartitionOffsetSpec { TopicPartition = partition, OffsetSpec = spec }),
                new ListOffsetsOptions { RequestTimeout = RequestTimeout })
            .GetAwaiter().GetResult().ResultInfos
            .Select(static found => found.TopicPartitionOffsetError)
            .ToDictionary(static found => found.TopicPartition, static found => found.Offset.Value);

    /// <summary>The sum over the partitions. A group that has committed nothing starts at the first offset.</summary>
    private static long Committed(IAdminClient client, string group, Dictionary<TopicPartition, (long First, long Next)> ends)
    {
        if (ends.Count == 0)
        {
            return 0;
        }

        var committed = client.ListConsumerGroupOffsetsAsync(
                [new ConsumerGroupTopicPartitions(group, [.. ends.Keys])],
                new ListConsumerGroupOffsetsOptions { RequestTimeout = RequestTimeout })
            .GetAwaiter().GetResult().Single().Partitions
            .ToDictionary(static found => found.TopicPartition, static found => found.Offset);
        return ends.Sum(partition =>
            Math.Max(partition.Value.First, committed.TryGetValue(partition.Key, out var offset) && !offset.IsSpecial ? offset.Value : 0));
    }

    public override void Dispose()
    {
        _client?.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The lag of the consumer groups is unknown: {Reason}")]
    private partial void LogUnknown(string reason);
}
