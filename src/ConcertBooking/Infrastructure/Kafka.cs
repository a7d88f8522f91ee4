using Confluent.Kafka;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// The one producer, and whether brokers answer. Without the setting there is none: events wait in the outbox.
/// </summary>
internal sealed partial class Kafka(Settings settings, ILogger<Kafka> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private volatile IProducer<byte[], byte[]>? _producer;
    private volatile bool _up;

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
                var producer = Build();
                _producer = producer;
                Watch(producer, stoppingToken);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

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
            QueueBufferingMaxMessages = 10_000,
            QueueBufferingMaxKbytes = 16_384,
        })
        .SetLogHandler(static (_, _) => { }) // what matters of it is logged as up and down
        .SetErrorHandler((_, error) => Notice(!error.IsFatal && error.Code != ErrorCode.Local_AllBrokersDown, error.Reason))
        .Build();

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
        if (up)
        {
            LogUp();
        }
        else
        {
            LogDown(reason);
        }
    }

    public override void Dispose()
    {
        _producer?.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Kafka answers")]
    private partial void LogUp();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka is down, events wait in the outbox: {Reason}")]
    private partial void LogDown(string reason);
}
