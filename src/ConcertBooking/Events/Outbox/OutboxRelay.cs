using System.Diagnostics;
using ConcertBooking.Events.Consuming;
using Confluent.Kafka;

namespace ConcertBooking.Events.Outbox;

/// <summary>
/// Sends what is in the outbox. A commit wakes it, so an event is on its way within milliseconds; whatever was left
/// behind, by an outage, a crash or another instance, it finds by itself. There is no second path that could differ.
/// The events of a key are sent one after the other; keys do not wait for each other, nor partitions.
/// </summary>
internal sealed partial class OutboxRelay : BackgroundService
{
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(500);
    /// <summary>A commit is seldom alone: this much later there is a batch, and the client does not wait for it anyway.</summary>
    private static readonly TimeSpan BatchDelay = TimeSpan.FromMilliseconds(10);
    /// <summary>The producer reports a message by its timeout; this only bounds the wait should it not.</summary>
    private static readonly TimeSpan SendLimit = KafkaCluster.MessageTimeout + TimeSpan.FromSeconds(2);
    /// <summary>For the sends that are on their way when the host stops.</summary>
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(3);
    private const int BatchSize = 500;
    /// <summary>Claimed and not yet settled. Leaves room for others while some wait for a partition's first failure.</summary>
    private const int MaximumInFlight = 2_000;

    private readonly OutboxTable _table;
    private readonly KafkaCluster _kafka;
    private readonly OutboxSignal _signal;
    private readonly Metrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<OutboxRelay> _logger;
    private readonly PartitionBreakers _breakers;
    private readonly LogThrottle _reminder;
    private readonly OutboxSettlement _settlement;
    private readonly HashSet<Guid> _keys = [];
    private int _inFlight;

    public OutboxRelay(OutboxTable table, KafkaCluster kafka, OutboxSignal signal, Metrics metrics, TimeProvider time, ILogger<OutboxRelay> logger)
    {
        (_table, _kafka, _signal, _metrics, _time, _logger) = (table, kafka, signal, metrics, time, logger);
        (_settlement, _breakers, _reminder) = (new OutboxSettlement(table, metrics, logger), new PartitionBreakers(time), new LogThrottle(time));
        kafka.Require(OutboxEvents.PaymentsTopic, OutboxEvents.ReservationsTopic, OutboxEvents.DeadLettersTopic);
        foreach (var topic in (string[])[OutboxEvents.PaymentsTopic, OutboxEvents.ReservationsTopic])
        {
            foreach (var result in (string[])["sent", "failed", "refused"])
            {
                metrics.Published(topic, result, 0);
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!_kafka.IsConfigured)
        {
            return;
        }

        try
        {
            while (true)
            {
                await RelayAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            await FinishAsync();
        }
    }

    private async Task RelayAsync(CancellationToken stoppingToken)
    {
        try
        {
            await SettleAsync();
            if (await ClaimAndSendAsync(stoppingToken) < BatchSize)
            {
                await _signal.WaitAsync(Idle, stoppingToken);
                await Task.Delay(BatchDelay, _time, stoppingToken);
            }
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            // The database is away, or not migrated yet; readyz and its log tell of it.
            LogPutOff(exception.Message);
            await Task.Delay(Idle, _time, stoppingToken);
        }
    }

    /// <summary>Claims what is due and starts to send it.</summary>
    /// <returns>How many events were claimed.</returns>
    private async Task<int> ClaimAndSendAsync(CancellationToken stoppingToken)
    {
        var room = Math.Min(BatchSize, MaximumInFlight - _inFlight);
        if (_kafka.Producer is null || room <= 0)
        {
            return 0;
        }

        var claim = await _table.ClaimAsync(room, stoppingToken);
        _inFlight += claim.Events.Count;
        foreach (var ofKey in claim.Events.GroupBy(static claimed => claimed.Key))
        {
            if (_keys.Add(ofKey.Key))
            {
                _ = SendAsync(claim, [.. ofKey], stoppingToken);
            }
            else
            {
                // Its lease ended before its sends did, as after a pause of this process.
                _settlement.Add(new OutboxOutcome(claim.Id, ofKey.Key) { Unsent = [.. ofKey], Delay = Idle, IsSecond = true });
            }
        }

        return claim.Events.Count;
    }

    /// <summary>The events of one key, one after the other: what follows a failure must not overtake it.</summary>
    private async Task SendAsync(OutboxClaim claim, OutboxEvent[] ofKey, CancellationToken stoppingToken)
    {
        var outcome = new OutboxOutcome(claim.Id, ofKey[0].Key);
        try
        {
            foreach (var outboxEvent in ofKey)
            {
                if (stoppingToken.IsCancellationRequested || !_table.AllowsSend(claim) || !await TrySendAsync(outboxEvent, outcome))
                {
                    break;
                }

                outcome.Sent.Add(outboxEvent);
            }
        }
        finally
        {
            outcome.Unsent.AddRange(ofKey.Skip(outcome.Count));
            _settlement.Add(outcome);
            _signal.Set();
        }
    }

    /// <returns>Whether Kafka has it; if not, the outcome says what is to be done.</returns>
    private async Task<bool> TrySendAsync(OutboxEvent outboxEvent, OutboxOutcome outcome)
    {
        if (_kafka.Producer is not { } producer || _kafka.IsMissing(outboxEvent.Topic))
        {
            outcome.Delay = Idle * 2;
            return false;
        }

        var partition = (outboxEvent.Topic, OutboxMessage.Partition(outboxEvent.Key, _kafka.Partitions(outboxEvent.Topic)));
        if (_breakers.Enter(partition) is { } pause)
        {
            // Spread over a few whole seconds: those of a partition are neither all due at once nor each on its own.
            outcome.Delay = TimeSpan.FromSeconds(Math.Ceiling(pause.TotalSeconds) + Random.Shared.Next(3));
            return false;
        }

        using var span = MessageSpan.Send(outboxEvent);
        try
        {
            await producer.ProduceAsync(outboxEvent.Topic, OutboxMessage.Of(outboxEvent, span?.Id)).WaitAsync(SendLimit, _time);
            _breakers.Succeed(partition);
            return true;
        }
        catch (KafkaException exception) when (IsRefusal(exception.Error))
        {
            span?.SetStatus(ActivityStatusCode.Error, exception.Error.Reason);
            _breakers.Succeed(partition);
            outcome.Refused = (outboxEvent, exception.Error.Reason);
            return false;
        }
        catch (Exception exception)
        {
            span?.SetStatus(ActivityStatusCode.Error, exception.Message);
            _metrics.Published(outboxEvent.Topic, "failed");
            Remind(partition, exception.Message);
            _breakers.Fail(partition);
            outcome.Delay = TimeSpan.FromSeconds(1);
            return false;
        }
    }

    /// <summary>Said of this very message; anything else is said of the partition, the topic or the cluster.</summary>
    private static bool IsRefusal(Error error) => error.Code is ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidMsg or ErrorCode.InvalidMsgSize
        or ErrorCode.InvalidRecord or ErrorCode.TopicException or ErrorCode.Local_InvalidArg;

    private async Task SettleAsync()
    {
        foreach (var settled in await _settlement.SettleAsync())
        {
            _inFlight -= settled.Count;
            if (!settled.IsSecond)
            {
                _keys.Remove(settled.Key);
            }
        }
    }

    /// <summary>Sends that have begun end, so that what Kafka has is not sent again; nothing new begins.</summary>
    private async Task FinishAsync()
    {
        var started = _time.GetTimestamp();
        do
        {
            try
            {
                await SettleAsync();
            }
            catch (DatabaseUnavailableException exception)
            {
                LogPutOff(exception.Message); // its rows are sent again when their lease ends
            }

            if (_inFlight == 0)
            {
                return;
            }

            await _signal.WaitAsync(Idle, CancellationToken.None);
        }
        while (_time.GetElapsedTime(started) < StopLimit);
    }

    private void Remind((string Topic, int Partition) partition, string reason)
    {
        lock (_reminder)
        {
            if (_reminder.IsDue())
            {
                LogUnsent(partition.Topic, partition.Partition, reason);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Relay put off: {Reason}")]
    private partial void LogPutOff(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka takes nothing for {Topic} [{Partition}], its events wait in the outbox: {Reason}")]
    private partial void LogUnsent(string topic, int partition, string reason);
}
