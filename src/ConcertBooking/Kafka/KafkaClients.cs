using Confluent.Kafka;

namespace ConcertBooking.Kafka;

/// <summary>The clients besides the producer; whoever asks for one owns it.</summary>
internal sealed partial class KafkaCluster
{
    /// <summary>
    /// A member of a group, sparing with memory. It commits, every second and when it leaves, the offsets that were
    /// stored after the effect; what is fetched but not stored comes again.
    /// </summary>
    /// <param name="group">The name of the group.</param>
    /// <param name="revoked">Called within Consume and Close with the partitions that others have from then on.</param>
    /// <param name="joined">Called within Consume when the group has given it its partitions.</param>
    /// <param name="failed">Called within Consume with an error that ends it: the watch reports outages.</param>
    /// <exception cref="KafkaLibraryException">librdkafka cannot be used.</exception>
    public IConsumer<byte[], byte[]> Consumer(
        string group, Action<IEnumerable<TopicPartition>> revoked, Action? joined = null, Action<Error>? failed = null)
    {
        KafkaLibrary.Load();
        return new ConsumerBuilder<byte[], byte[]>(settings.Kafka.Configure(new ConsumerConfig
        {
            GroupId = group,
            AutoOffsetReset = AutoOffsetReset.Earliest,
            EnableAutoCommit = true,
            AutoCommitIntervalMs = 1_000,
            EnableAutoOffsetStore = false,
            AllowAutoCreateTopics = false, // they would get the broker's number of partitions
            TopicMetadataRefreshIntervalMs = 2_000, // a topic that appears later is found soon
            SessionTimeoutMs = 10_000,
            SocketTimeoutMs = 10_000,
            ReconnectBackoffMaxMs = 2_000,
            QueuedMinMessages = 1_000,
            QueuedMaxMessagesKbytes = 1_024,
            FetchMaxBytes = 1024 * 1024,
            MaxPartitionFetchBytes = 256 * 1024,
        }))
        .SetLogHandler(static (_, _) => { })
        .SetErrorHandler((_, error) =>
        {
            if (error.IsFatal)
            {
                failed?.Invoke(error);
            }
        })
        .SetPartitionsAssignedHandler((_, _) => joined?.Invoke())
        .SetPartitionsRevokedHandler((_, partitions) => revoked(partitions.Select(static partition => partition.TopicPartition)))
        .SetPartitionsLostHandler((_, partitions) => revoked(partitions.Select(static partition => partition.TopicPartition)))
        .Build();
    }

    /// <summary>A client that only asks.</summary>
    /// <exception cref="KafkaLibraryException">librdkafka cannot be used.</exception>
    public IAdminClient AdminClient()
    {
        KafkaLibrary.Load();
        return new AdminClientBuilder(settings.Kafka.Configure(new AdminClientConfig
        {
            SocketTimeoutMs = 10_000,
            ReconnectBackoffMaxMs = 2_000,
        }))
        .SetLogHandler(static (_, _) => { })
        .SetErrorHandler(static (_, _) => { })
        .Build();
    }
}
