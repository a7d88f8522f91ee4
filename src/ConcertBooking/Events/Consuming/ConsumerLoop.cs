using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Events.Consuming;

/// <summary>What every consumer group is made of.</summary>
internal sealed record ConsumerParts(KafkaCluster Kafka, DeadLetters DeadLetters, ConsumerGroups Groups, TimeProvider Time);

/// <summary>
/// The loop of a consumer group: takes events in batches and lets an offset be committed only after the round that
/// finished its event. A client that cannot be built or is of no use any more is replaced, and reported meanwhile.
/// </summary>
internal abstract partial class ConsumerLoop : BackgroundService
{
    protected static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan RebuildPause = TimeSpan.FromSeconds(2);

    /// <summary>Joining takes some seconds, and the first batch after it another.</summary>
    private static readonly TimeSpan StandstillLimit = TimeSpan.FromSeconds(30);

    private readonly KafkaCluster _kafka;
    private readonly ConsumerGroups _groups;
    private readonly ILogger _logger;
    private readonly LogThrottle _putOffReminder;
    private readonly LogThrottle _stoppedReminder;
    private string? _problem;

    protected ConsumerLoop(string name, ConsumerParts parts, ILogger logger)
    {
        (Name, _kafka, _groups, Time, _logger) = (name, parts.Kafka, parts.Groups, parts.Time, logger);
        (_putOffReminder, _stoppedReminder) = (new LogThrottle(Time), new LogThrottle(Time));
        if (_kafka.IsConfigured)
        {
            _groups.Register(Group, OutboxEvents.PaymentsTopic);
        }
    }

    protected string Name { get; }

    protected string Group => $"concert-booking.{Name}";

    protected TimeProvider Time { get; }

    protected virtual int BatchSize => 500;

    /// <summary>How long what was put off waits until the next round.</summary>
    protected TimeSpan Pause { get; set; } = ShortestPause;

    /// <summary>Tries what is pending and removes what is done or given up.</summary>
    protected abstract Task RoundAsync(List<ReceivedEvent> pending, CancellationToken stoppingToken);

    /// <summary>librdkafka's calls block, so the group has a thread of its own.</summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => !_kafka.IsConfigured
        ? Task.CompletedTask
        : Task.Factory.StartNew(() => Run(stoppingToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>One client after the other; mostly the first lasts as long as the service.</summary>
    private void Run(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                using var client = new ConsumerClient(_kafka, Group, BatchSize, Time, _problem);
                client.Join();
                Consume(client, stoppingToken);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                Report(exception.Message);
            }

            stoppingToken.WaitHandle.WaitOne(RebuildPause);
        }
    }

    /// <summary>Until the service stops or the client is lost. What is pending then is not committed, and comes again.</summary>
    private void Consume(ConsumerClient client, CancellationToken stoppingToken)
    {
        var busyAt = Time.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested && !client.IsLost && !StandsStill(busyAt))
        {
            client.Fill(Pause, stoppingToken);
            Report(client.Problem);
            if (client.Pending.Count > 0)
            {
                TryRound(client.Pending, stoppingToken);
                busyAt = Time.GetTimestamp();
            }

            client.Store();
        }

        if (StandsStill(busyAt))
        {
            Report("it is given no message, although some wait and no member of the group finishes any");
        }

        if (stoppingToken.IsCancellationRequested && _kafka.Up)
        {
            client.Close();
        }
    }

    /// <summary>
    /// Whether it has had nothing to do for long although messages wait: a broker that does not answer a client's wish to
    /// join leaves it without partitions and without an error, for minutes. While other members finish any, all is well.
    /// </summary>
    private bool StandsStill(long busyAt) => Time.GetElapsedTime(busyAt) > StandstillLimit && _groups.StalledFor(Group) > StandstillLimit;

    private void TryRound(List<ReceivedEvent> pending, CancellationToken stoppingToken)
    {
        try
        {
            RoundAsync(pending, stoppingToken).GetAwaiter().GetResult();
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            ReportPutOff(pending.Count, exception.Message);
            stoppingToken.WaitHandle.WaitOne(ShortestPause);
        }
    }

    private void Report(string? problem)
    {
        if (problem is not null && _stoppedReminder.IsDue())
        {
            LogStopped(_logger, Group, problem);
        }
        else if (problem is null && _problem is not null)
        {
            LogRuns(_logger, Group);
        }

        _problem = problem;
        _groups.Report(Group, running: problem is null);
    }

    protected void ReportPutOff(int count, string reason)
    {
        if (_putOffReminder.IsDue())
        {
            LogPutOff(_logger, Group, count, reason);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group} waits with {Count} events, trying again: {Reason}")]
    private static partial void LogPutOff(ILogger logger, string group, int count, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group} cannot consume, trying again: {Reason}")]
    private static partial void LogStopped(ILogger logger, string group, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Group} consumes again")]
    private static partial void LogRuns(ILogger logger, string group);
}
