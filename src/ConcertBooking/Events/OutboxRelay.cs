using System.Diagnostics;
using System.Globalization;
using System.Text;
using ConcertBooking.Infrastructure;
using Confluent.Kafka;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;

namespace ConcertBooking.Events;

/// <summary>
/// Sends what is in the outbox. A commit wakes it, so an event is on its way within milliseconds; whatever was left
/// behind, by an outage, a crash or another instance, it finds by itself. There is no second path that could differ.
/// </summary>
internal sealed partial class OutboxRelay : BackgroundService
{
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(500);
    /// <summary>A commit is seldom alone: this much later there is a batch, and the client does not wait for it anyway.</summary>
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan SendLimit = TimeSpan.FromSeconds(10);
    private const int BatchSize = 500;

    private readonly OutboxTable _table;
    private readonly Kafka _kafka;
    private readonly OutboxSignal _signal;
    private readonly Metrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<OutboxRelay> _logger;
    private readonly ResiliencePipeline _guard;
    private readonly byte[] _source = "/concert-booking"u8.ToArray();

    public OutboxRelay(OutboxTable table, Kafka kafka, OutboxSignal signal, Metrics metrics, TimeProvider time, ILogger<OutboxRelay> logger)
    {
        (_table, _kafka, _signal, _metrics, _time, _logger) = (table, kafka, signal, metrics, time, logger);
        foreach (var topic in (string[])[Outbox.PaymentsTopic, Outbox.ReservationsTopic])
        {
            foreach (var result in (string[])["sent", "failed", "refused"])
            {
                metrics.Published(topic, result, 0);
            }
        }

        _guard = new ResiliencePipelineBuilder()
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions
            {
                ShouldHandle = static arguments => ValueTask.FromResult(IsOutage(arguments.Outcome.Exception)),
                FailureRatio = 0.9,
                MinimumThroughput = 3,
                SamplingDuration = TimeSpan.FromSeconds(30),
                BreakDuration = TimeSpan.FromSeconds(2),
            })
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = static arguments => ValueTask.FromResult(
                    arguments.Outcome.Exception is KafkaException { Error.Code: ErrorCode.Local_QueueFull }),
                MaxRetryAttempts = 5,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = TimeSpan.FromMilliseconds(50),
            })
            .AddTimeout(SendLimit)
            .Build();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!_kafka.IsConfigured)
        {
            return;
        }

        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (_kafka.Producer is not { } producer || await RelayOnce(producer, stoppingToken) < BatchSize)
                {
                    await _signal.Wait(Idle, stoppingToken);
                    await Task.Delay(Gather, _time, stoppingToken);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                // The database is away, or not migrated yet; readyz and its log tell of it.
                LogPutOff(exception.Message);
                await Task.Delay(Idle, _time, stoppingToken);
            }
        }
    }

    /// <summary>Claims a batch, sends it key by key in order, and settles every row.</summary>
    private async Task<int> RelayOnce(IProducer<byte[], byte[]> producer, CancellationToken stoppingToken)
    {
        var claimed = await _table.Claim(BatchSize, stoppingToken);
        if (claimed.Count == 0)
        {
            return 0;
        }

        var sends = await Task.WhenAll(claimed.GroupBy(static claim => claim.Key).Select(ofKey => Send(producer, [.. ofKey])));
        var sent = sends.SelectMany(static send => send.Sent).ToList();
        var unsent = sends.SelectMany(static send => send.Unsent).ToList();
        var refused = sends.Where(static send => send.Refused is not null).Select(static send => send.Refused!.Value).ToList();
        Count(sent, "sent");
        Count(unsent, "failed");
        Count(refused.Select(static refusal => refusal.Item1), "refused");
        if (sent.Count > 0)
        {
            await _table.Acknowledge(sent);
        }

        if (unsent.Count > 0)
        {
            await _table.Release(unsent);
        }

        if (refused.Count > 0)
        {
            await _table.Refuse(refused);
            LogRefused(refused.Count, refused[0].Error);
        }

        return sent.Count;
    }

    private void Count(IEnumerable<OutboxEvent> events, string result)
    {
        foreach (var ofTopic in events.CountBy(static told => told.Topic))
        {
            _metrics.Published(ofTopic.Key, result, ofTopic.Value);
        }
    }

    private readonly record struct Outcome(List<OutboxEvent> Sent, List<OutboxEvent> Unsent, (OutboxEvent, string Error)? Refused);

    /// <summary>The events of one key, one after the other: what follows a failure must not overtake it.</summary>
    private async Task<Outcome> Send(IProducer<byte[], byte[]> producer, OutboxEvent[] ofKey)
    {
        var sent = new List<OutboxEvent>();
        foreach (var outboxEvent in ofKey)
        {
            using var span = MessageSpan.Send(outboxEvent);
            try
            {
                await _guard.ExecuteAsync(
                    async token => await producer.ProduceAsync(outboxEvent.Topic, Message(outboxEvent, span), token), CancellationToken.None);
                sent.Add(outboxEvent);
            }
            catch (Exception exception) when (IsOutage(exception) || exception is BrokenCircuitException)
            {
                span?.SetStatus(ActivityStatusCode.Error, exception.Message);
                return new Outcome(sent, [.. ofKey.Skip(sent.Count)], null);
            }
            catch (KafkaException exception)
            {
                span?.SetStatus(ActivityStatusCode.Error, exception.Error.Reason);
                return new Outcome(sent, [.. ofKey.Skip(sent.Count + 1)], (outboxEvent, exception.Error.Reason));
            }
        }

        return new Outcome(sent, [], null);
    }

    /// <summary>CloudEvents 1.0, Kafka binary content mode.</summary>
    private Message<byte[], byte[]> Message(OutboxEvent outboxEvent, Activity? span)
    {
        Headers headers =
        [
            new Header("ce_specversion", "1.0"u8.ToArray()),
            new Header("ce_id", Encoding.ASCII.GetBytes(outboxEvent.Id.ToString())),
            new Header("ce_source", _source),
            new Header("ce_type", Encoding.ASCII.GetBytes(outboxEvent.Type)),
            new Header("ce_time", Encoding.ASCII.GetBytes(outboxEvent.CreatedAt.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture))),
            new Header("content-type", "application/json"u8.ToArray()),
        ];
        if ((span?.Id ?? outboxEvent.TraceParent) is { } traceParent)
        {
            headers.Add(MessageSpan.Header, Encoding.ASCII.GetBytes(traceParent));
        }

        return new()
        {
            Key = Encoding.ASCII.GetBytes(outboxEvent.Key.ToString()),
            Value = Encoding.UTF8.GetBytes(outboxEvent.Payload),
            Headers = headers,
        };
    }

    /// <summary>Kafka as a whole does not take messages; anything else is said of this very message.</summary>
    private static bool IsOutage(Exception? exception) => exception switch
    {
        Polly.Timeout.TimeoutRejectedException => true,
        KafkaException kafka => kafka.Error.Code is not (ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidMsg or ErrorCode.InvalidMsgSize
            or ErrorCode.InvalidRecord or ErrorCode.TopicException or ErrorCode.TopicAuthorizationFailed or ErrorCode.Local_InvalidArg),
        _ => false,
    };

    [LoggerMessage(Level = LogLevel.Debug, Message = "Relay put off: {Reason}")]
    private partial void LogPutOff(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka refused {Count} events, the first because: {Reason}")]
    private partial void LogRefused(int count, string reason);
}

/// <summary>Tells the relay that something was committed. However many tell, it wakes once.</summary>
internal sealed class OutboxSignal : IDisposable
{
    private readonly SemaphoreSlim _signal = new(0, 1);

    public void Set()
    {
        if (_signal.CurrentCount == 0)
        {
            try
            {
                _signal.Release();
            }
            catch (SemaphoreFullException)
            {
                // Another commit told it first.
            }
        }
    }

    public Task Wait(TimeSpan limit, CancellationToken cancellationToken) => _signal.WaitAsync(limit, cancellationToken);

    public void Dispose() => _signal.Dispose();
}
