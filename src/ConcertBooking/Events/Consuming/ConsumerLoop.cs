namespace ConcertBooking.Events.Consuming;

/// <summary>
/// The poll loop of a consumer group: polls events in batches and lets an offset be committed only after the round that
/// finished its event. A client that cannot be built or cannot continue is replaced, and the problem is reported meanwhile.
/// The loop keeps polling while events are put off, so that it stays a member of the group.
/// </summary>
internal sealed partial class ConsumerLoop(string group, int batchSize, EventDelivery delivery, ConsumerParts parts, ILogger logger)
{
    private static readonly TimeSpan RebuildPause = TimeSpan.FromSeconds(2);

    /// <summary>Joining takes some seconds, and the first batch after it another.</summary>
    private static readonly TimeSpan StandstillLimit = TimeSpan.FromSeconds(30);

    private readonly LogThrottle _problemThrottle = new(parts.Time);
    private string? _problem;

    /// <summary>Blocks until the service stops. Usually the first client lasts that long.</summary>
    public void Run(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                using var client = new ConsumerClient(parts.Kafka, group, batchSize, parts.Time, _problem);
                client.Subscribe();
                Consume(client, stoppingToken);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                Report(exception.Message);
            }

            stoppingToken.WaitHandle.WaitOne(RebuildPause);
        }
    }

    /// <summary>Until the service stops or the client is lost. Events pending then are not committed; Kafka delivers them again.</summary>
    private void Consume(ConsumerClient client, CancellationToken stoppingToken)
    {
        var busyAt = parts.Time.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested && !client.IsLost && !IsStalled(busyAt))
        {
            client.Poll(delivery.Pause, stoppingToken);
            Report(client.Problem);
            if (client.Pending.Count > 0)
            {
                delivery.RunRoundAsync(client.Pending, stoppingToken).GetAwaiter().GetResult();
                busyAt = parts.Time.GetTimestamp();
            }

            client.StoreOffsets();
        }

        if (IsStalled(busyAt))
        {
            Report("it is given no message, although some wait and no member of the group finishes any");
        }

        if (stoppingToken.IsCancellationRequested && parts.Kafka.Up)
        {
            client.Close();
        }
    }

    /// <summary>
    /// Standstill watchdog: nothing to do for long although messages wait. A broker that does not respond to a join request
    /// leaves the client without partitions and without an error, for minutes. Progress of another member rules that out.
    /// </summary>
    private bool IsStalled(long busyAt) =>
        parts.Time.GetElapsedTime(busyAt) > StandstillLimit && parts.Groups.StalledFor(group) > StandstillLimit;

    private void Report(string? problem)
    {
        if (problem is not null && _problemThrottle.IsDue())
        {
            LogStopped(logger, group, problem);
        }
        else if (problem is null && _problem is not null)
        {
            LogRuns(logger, group);
        }

        _problem = problem;
        parts.Groups.Report(group, running: problem is null);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group} cannot consume, trying again: {Reason}")]
    private static partial void LogStopped(ILogger logger, string group, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Group} consumes again")]
    private static partial void LogRuns(ILogger logger, string group);
}
