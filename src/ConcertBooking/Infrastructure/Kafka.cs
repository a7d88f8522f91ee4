using Confluent.Kafka;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// The one producer, and whether brokers answer. Without the setting there is none: events wait in the outbox.
/// </summary>
internal sealed partial class Kafka(Settings settings, TimeProvider time, ILogger<Kafka> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private volatile IProducer<byte[], byte[]>? _producer;
    private volatile bool _up;
    private readonly OnceAMinute _downReminder = new(time);
    private bool _upIsNews = true;

    public bool IsConfigured => settings.Kafka.Length > 0;

    /// <summary>The producer while brokers answer.</summary>
    public IProducer<byte[], byte[]>? Producer => _up ? _producer : null;

    public bool Up => _up;

    /// <summary>
    /// Loading librdkafka and asking brokers for metadata both block, so they have a thread of their own; starting
    /// does not wait for them.
    /// </summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => !IsConfigured
        ? Task.CompletedTask
        : Task.Factory.StartNew(
            () =>
            {
                if (LoadLibrary(stoppingToken))
                {
                    var producer = Build();
                    _producer = producer;
                    Watch(producer, stoppingToken);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Until it can be loaded, Kafka is down: nothing is sent or consumed.</summary>
    private bool LoadLibrary(CancellationToken stoppingToken)
    {
        do
        {
            try
            {
                var library = KafkaLibrary.Load();
                LogLibrary(library);
                return true;
            }
            catch (KafkaLibraryException exception)
            {
                if (_downReminder.IsDue())
                {
                    LogDown(exception.Message);
                }
            }
        }
        while (!stoppingToken.WaitHandle.WaitOne(Interval));
        return false;
    }

    private IProducer<byte[], byte[]> Build() =>
        new ProducerBuilder<byte[], byte[]>(new ProducerConfig
        {
            BootstrapServers = settings.Kafka,
            ClientId = "concert-booking",
            Acks = Acks.All,
            EnableIdempotence = true,
            MessageTimeoutMs = 8_000, // well under the outbox's lease
            LingerMs = 2,
            SocketTimeoutMs = 5_000,
            ReconnectBackoffMaxMs = 2_000, // a broker that is back is used at once
            QueueBufferingMaxMessages = 10_000,
            QueueBufferingMaxKbytes = 16_384,
        })
        .SetLogHandler(static (_, _) => { }) // what matters of it is logged as up and down
        .SetErrorHandler((_, error) =>
        {
            // Of other errors nothing follows, least of all that Kafka is up: an outage reports them all the time.
            if (error.IsFatal || error.Code == ErrorCode.Local_AllBrokersDown)
            {
                Notice(false, error.Reason);
            }
        })
        .Build();

    /// <summary>
    /// A member of a group, sparing with memory. It commits, every second and when it leaves, the offsets that were
    /// stored after the effect; what is fetched but not stored comes again.
    /// </summary>
    /// <param name="group">The name of the group.</param>
    /// <param name="revoked">Called within Consume and Close with the partitions that others have from then on.</param>
    /// <param name="joined">Called within Consume when the group has given it its partitions.</param>
    /// <param name="failed">Called within Consume with an error that is no outage: the watch reports those.</param>
    /// <exception cref="KafkaLibraryException">librdkafka cannot be used.</exception>
    public IConsumer<byte[], byte[]> Consumer(
        string group, Action<IEnumerable<TopicPartition>> revoked, Action? joined = null, Action<Error>? failed = null)
    {
        KafkaLibrary.Load();
        return new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig
        {
            BootstrapServers = settings.Kafka,
            ClientId = "concert-booking",
            GroupId = group,
            AutoOffsetReset = AutoOffsetReset.Earliest,
            EnableAutoCommit = true,
            AutoCommitIntervalMs = 1_000,
            EnableAutoOffsetStore = false,
            AllowAutoCreateTopics = true, // else a topic that appears later is found minutes later
            SessionTimeoutMs = 10_000,
            SocketTimeoutMs = 10_000,
            ReconnectBackoffMaxMs = 2_000,
            QueuedMinMessages = 1_000,
            QueuedMaxMessagesKbytes = 1_024,
            FetchMaxBytes = 1024 * 1024,
            MaxPartitionFetchBytes = 256 * 1024,
        })
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
        return new AdminClientBuilder(new AdminClientConfig
        {
            BootstrapServers = settings.Kafka,
            ClientId = "concert-booking",
            SocketTimeoutMs = 10_000,
            ReconnectBackoffMaxMs = 2_000,
        })
        .SetLogHandler(static (_, _) => { })
        .SetErrorHandler(static (_, _) => { })
        .Build();
    }

    private void Watch(IProducer<byte[], byte[]> producer, CancellationToken stoppingToken)
    {
        using var admin = new DependentAdminClientBuilder(producer.Handle).Build();
        do
        {
            try
            {
                var brokers = admin.GetMetadata(Limit).Brokers.Count;
                Notice(brokers > 0, "no broker answered");
            }
            catch (KafkaException exception)
            {
                Notice(false, exception.Error.Reason);
            }
        }
        while (!stoppingToken.WaitHandle.WaitOne(Interval));
    }

    private void Notice(bool up, string reason)
    {
        if (up == _up)
        {
            return;
        }

        _up = up;
        if (up && _upIsNews)
        {
            LogUp();
            _upIsNews = false;
        }
        else if (!up && _downReminder.IsDue())
        {
            LogDown(reason);
            _upIsNews = true;
        }
    }

    public override void Dispose()
    {
        _producer?.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Loaded librdkafka {Library}")]
    private partial void LogLibrary(string library);

    [LoggerMessage(Level = LogLevel.Information, Message = "Kafka answers")]
    private partial void LogUp();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka is down, events wait in the outbox: {Reason}")]
    private partial void LogDown(string reason);
}
