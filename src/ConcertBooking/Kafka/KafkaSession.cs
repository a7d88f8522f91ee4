using Confluent.Kafka;

namespace ConcertBooking.Kafka;

/// <summary>
/// The lifetime of one producer, up to its fatal error, after which librdkafka sends nothing more with it: an idempotent
/// producer whose sequence was broken, or that is not authorized to be one.
/// </summary>
internal sealed class KafkaSession : IDisposable
{
    private readonly AutoResetEvent _changed = new(false);
    private volatile string? _fatalError;
    private volatile string? _lastError;

    public KafkaSession(Settings settings)
    {
        Producer = new ProducerBuilder<byte[], byte[]>(settings.Kafka.Configure(new ProducerConfig
        {
            Acks = Acks.All,
            EnableIdempotence = true,
            MessageTimeoutMs = (int)KafkaCluster.MessageTimeout.TotalMilliseconds,
            LingerMs = 2,
            SocketTimeoutMs = 5_000,
            ReconnectBackoffMaxMs = 2_000, // a broker that is back is used at once
            QueueBufferingMaxMessages = 10_000,
            QueueBufferingMaxKbytes = 16_384,
        }))
        .SetLogHandler(static (_, _) => { }) // outages are logged by KafkaCluster
        .SetErrorHandler((_, error) => OnError(error))
        .Build();
        AdminClient = new DependentAdminClientBuilder(Producer.Handle).Build();
    }

    public IProducer<byte[], byte[]> Producer { get; }

    public IAdminClient AdminClient { get; }

    /// <summary>Set by the fatal error, and when the last broker is lost.</summary>
    public WaitHandle Changed => _changed;

    /// <summary>Why the producer cannot be used any more; null while it can.</summary>
    public string? FatalError => _fatalError;

    /// <summary>The last connection error of librdkafka: more specific than a timeout of a call.</summary>
    public string? LastError => _lastError;

    /// <summary>Only fatal errors change the session: during an outage librdkafka reports the others all the time.</summary>
    private void OnError(Error error)
    {
        if (error.IsFatal)
        {
            _fatalError = error.Reason;
        }
        else
        {
            _lastError = error.Reason;
        }

        if (error.IsFatal || error.Code == ErrorCode.Local_AllBrokersDown)
        {
            _changed.Set();
        }
    }

    /// <summary>Blocks until the outcome of every message is known, which its timeout bounds.</summary>
    public void Dispose()
    {
        Producer.Flush(KafkaCluster.MessageTimeout + TimeSpan.FromSeconds(2));
        AdminClient.Dispose();
        Producer.Dispose();
        _changed.Dispose();
    }
}
