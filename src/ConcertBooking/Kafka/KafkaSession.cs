using Confluent.Kafka;

namespace ConcertBooking.Kafka;

/// <summary>
/// A producer from its start to its fatal error, after which librdkafka sends nothing more with it: an idempotent
/// producer that lost its place in a partition, or is not allowed to be one.
/// </summary>
internal sealed class KafkaSession : IDisposable
{
    private readonly AutoResetEvent _changed = new(false);
    private volatile string? _fatal;
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
        .SetLogHandler(static (_, _) => { }) // what matters of it is logged as up and down
        .SetErrorHandler((_, error) => Receive(error))
        .Build();
        Admin = new DependentAdminClientBuilder(Producer.Handle).Build();
    }

    public IProducer<byte[], byte[]> Producer { get; }

    public IAdminClient Admin { get; }

    /// <summary>Set by the fatal error, and when the last broker is lost.</summary>
    public WaitHandle Changed => _changed;

    /// <summary>Why the producer cannot be used any more; null while it can.</summary>
    public string? Fatal => _fatal;

    /// <summary>What librdkafka said last of its connections: more than a call that only ran out of time.</summary>
    public string? LastError => _lastError;

    /// <summary>Of other errors nothing follows, least of all that Kafka is up: an outage reports them all the time.</summary>
    private void Receive(Error error)
    {
        if (error.IsFatal)
        {
            _fatal = error.Reason;
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
        Admin.Dispose();
        Producer.Dispose();
        _changed.Dispose();
    }
}
