using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Events.Consuming;

/// <summary>What every consumer group is built from.</summary>
internal sealed record ConsumerParts(KafkaCluster Kafka, DeadLetters DeadLetters, ConsumerGroups Groups, TimeProvider Time);

/// <summary>
/// A consumer group of payment events: a feature implements <see cref="TryAsync"/>, <see cref="ConsumerLoop"/> polls Kafka,
/// and <see cref="EventDelivery"/> retries and puts off.
/// </summary>
internal abstract class EventConsumer : BackgroundService
{
    private const string Topic = OutboxEvents.PaymentsTopic;

    private readonly KafkaCluster _kafka;
    private readonly ConsumerLoop _loop;

    protected EventConsumer(string name, ConsumerParts parts, ILogger logger, int batchSize = 500)
    {
        (Name, Time, _kafka) = (name, parts.Time, parts.Kafka);
        var group = $"concert-booking.{name}";
        var delivery = new EventDelivery(group, TryAsync, parts.DeadLetters, parts.Time, logger);
        _loop = new ConsumerLoop(group, batchSize, delivery, parts, logger);
        if (_kafka.IsConfigured)
        {
            parts.Groups.Register(group, Topic);
        }
    }

    protected string Name { get; }

    protected TimeProvider Time { get; }

    /// <summary>Tries each event once; those that failed get a <see cref="ReceivedEvent.Failure"/>.</summary>
    protected abstract Task TryAsync(IReadOnlyList<ReceivedEvent> events);

    /// <summary>librdkafka's calls block, so the group has a thread of its own.</summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => !_kafka.IsConfigured
        ? Task.CompletedTask
        : Task.Factory.StartNew(
            () => _loop.Run(stoppingToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
