using Confluent.Kafka;

namespace ConcertBooking.Kafka;

/// <summary>The consumer and admin clients; the caller owns and disposes them.</summary>
internal sealed partial class KafkaCluster
{
    /// <summary>
    /// Creates a consumer with small buffers. It commits, every second and when it leaves, the offsets that were stored after
    /// the effect (at-least-once delivery); what was fetched but not stored is delivered again.
    /// </summary>
    /// <param name="group">The name of the group.</param>
    /// <param name="onRevoked">Called within Consume and Close with the partitions that other members own from then on.</param>
    /// <param name="onAssigned">Called within Consume when the group has assigned its partitions.</param>
    /// <param name="onFatalError">Called within Consume with an error that ends the client; outages are not reported here.</param>
    /// <exception cref="KafkaLibraryException">librdkafka cannot be used.</exception>
    public IConsumer<byte[], byte[]> Consumer(
        string group, Action<IEnumerable<TopicPartition>> onRevoked, Action? onAssigned = null, Action<Error>? onFatalError = null)
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
                onFatalError?.Invoke(error);
            }
        })
        .SetPartitionsAssignedHandler((_, _) => onAssigned?.Invoke())
        .SetPartitionsRevokedHandler((_, partitions) => onRevoked(partitions.Select(static partition => partition.TopicPartition)))
        .SetPartitionsLostHandler((_, partitions) => onRevoked(partitions.Select(static partition => partition.TopicPartition)))
        .Build();
    }

    /// <summary>Creates an admin client.</summary>
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
