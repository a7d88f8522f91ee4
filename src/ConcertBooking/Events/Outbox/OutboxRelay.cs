using System.Diagnostics;
using ConcertBooking.Events.Consuming;
using Confluent.Kafka;

namespace ConcertBooking.Events.Outbox;

/// <summary>
/// The outbox relay: publishes outbox rows to Kafka. A commit wakes it, so an event is sent within milliseconds; it polls
/// for rows left by an outage, a crash or another instance. There is no second path that could differ. Events of one key
/// are sent in order; keys and partitions do not wait for each other.
/// </summary>
internal sealed partial class OutboxRelay : BackgroundService
{
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(500);
    /// <summary>Commits come in groups: after this delay there is a batch, and no client waits for it.</summary>
    private static readonly TimeSpan BatchDelay = TimeSpan.FromMilliseconds(10);
    /// <summary>The producer reports a message within its timeout; this bounds the wait if it does not.</summary>
    private static readonly TimeSpan SendTimeout = KafkaCluster.MessageTimeout + TimeSpan.FromSeconds(2);
    /// <summary>For the sends in flight when the host stops.</summary>
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(3);
    private const int BatchSize = 500;
    /// <summary>Events claimed and not settled. Leaves room for others while some wait for a partition's first failure.</summary>
    private const int MaximumInFlight = 2_000;

    private readonly OutboxTable _table;
    private readonly KafkaCluster _kafka;
    private readonly OutboxSignal _signal;
    private readonly Metrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<OutboxRelay> _logger;
    private readonly PartitionBreakers _breakers;
    private readonly LogThrottle _unsentThrottle;
    private readonly OutboxSettlement _settlement;
    private readonly HashSet<Guid> _keys = [];
    private int _inFlight;

    public OutboxRelay(
        OutboxTable table, KafkaCluster kafka, OutboxSignal signal, Metrics metrics, TimeProvider time, ILogger<OutboxRelay> logger)
    {
        (_table, _kafka, _signal, _metrics, _time, _logger) = (table, kafka, signal, metrics, time, logger);
        _settlement = new OutboxSettlement(table, metrics, logger);
        (_breakers, _unsentThrottle) = (new PartitionBreakers(time), new LogThrottle(time));
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
            // The database cannot be reached or is not migrated yet; readyz and its log report it.
            LogPutOff(exception.Message);
            await Task.Delay(Idle, _time, stoppingToken);
        }
    }

    /// <summary>Claims due events and starts to send them.</summary>
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
                // Its lease ended before its sends completed, as after a pause of this process.
                _settlement.Add(new OutboxOutcome(claim.Id, ofKey.Key) { Unsent = [.. ofKey], Delay = Idle, IsSecond = true });
            }
        }

        return claim.Events.Count;
    }

    /// <summary>Sends the events of one key in order: events behind a failed one wait.</summary>
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

    /// <returns>Whether Kafka acknowledged it; if not, the outcome states what to do.</returns>
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
            // Spread over a few whole seconds: the events of a partition are neither all due at once nor each alone.
            outcome.Delay = TimeSpan.FromSeconds(Math.Ceiling(pause.TotalSeconds) + Random.Shared.Next(3));
            return false;
        }

        using var span = MessageSpan.Send(outboxEvent);
        try
        {
            await producer.ProduceAsync(outboxEvent.Topic, OutboxMessage.Of(outboxEvent, span?.Id)).WaitAsync(SendTimeout, _time);
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
            ReportUnsent(partition, exception.Message);
            _breakers.Fail(partition);
            outcome.Delay = TimeSpan.FromSeconds(1);
            return false;
        }
    }

    /// <summary>Errors of the message itself; any other concerns the partition, the topic or the cluster.</summary>
    private static bool IsRefusal(Error error) => error.Code is ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidMsg
        or ErrorCode.InvalidMsgSize or ErrorCode.InvalidRecord or ErrorCode.TopicException or ErrorCode.Local_InvalidArg;

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

    /// <summary>Waits for sends in flight, so that acknowledged events are not sent again; starts no new ones.</summary>
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
        while (_time.GetElapsedTime(started) < StopTimeout);
    }

    private void ReportUnsent((string Topic, int Partition) partition, string reason)
    {
        if (_unsentThrottle.IsDue())
        {
            LogUnsent(partition.Topic, partition.Partition, reason);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Relay put off: {Reason}")]
    private partial void LogPutOff(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Kafka takes nothing for {Topic} [{Partition}], its events wait in the outbox: {Reason}")]
    private partial void LogUnsent(string topic, int partition, string reason);
}
