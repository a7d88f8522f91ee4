using Polly;
using Polly.Retry;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// Delivers the events of a consumer group in rounds: retries each with backoff, then does what <see cref="FailurePolicy"/>
/// decides. Unreadable events become dead letters at once.
/// </summary>
/// <param name="group">The consumer group.</param>
/// <param name="tryAsync">Tries each event once and sets <see cref="ReceivedEvent.Failure"/> of those that failed.</param>
internal sealed partial class EventDelivery(
    string group, Func<IReadOnlyList<ReceivedEvent>, Task> tryAsync, DeadLetters deadLetters, TimeProvider time, ILogger logger)
{
    private readonly LogThrottle _putOffThrottle = new(time);
    private readonly ResiliencePipeline<List<ReceivedEvent>> _retry = new ResiliencePipelineBuilder<List<ReceivedEvent>>()
        .AddRetry(new RetryStrategyOptions<List<ReceivedEvent>>
        {
            ShouldHandle = static arguments => ValueTask.FromResult(arguments.Outcome.Result is { Count: > 0 }),
            MaxRetryAttempts = 4,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = TimeSpan.FromMilliseconds(200),
        })
        .Build();

    private int _refusalsInARow;

    /// <summary>How long events that were put off wait for the next round.</summary>
    public TimeSpan Pause { get; private set; } = FailurePolicy.InitialPause;

    /// <summary>Tries the pending events once, with retries, and removes those that are done or became dead letters.</summary>
    public async Task RunRoundAsync(List<ReceivedEvent> pending, CancellationToken stoppingToken)
    {
        try
        {
            await DeliverAsync(pending, stoppingToken);
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            ReportPutOff(pending.Count, exception.Message);
            await Task.Delay(FailurePolicy.InitialPause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task DeliverAsync(List<ReceivedEvent> pending, CancellationToken stoppingToken)
    {
        await RemoveUnreadableAsync(pending);
        var tried = pending.FindAll(static received => received.IsReadable);
        if (tried.Count == 0)
        {
            return;
        }

        var failed = tried;
        try
        {
            await _retry.ExecuteAsync(
                async _ =>
                {
                    await TryTracedAsync(failed);
                    return failed = [.. failed.Where(static received => received.Failure is not null)];
                },
                stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            return; // Pending events are not committed; Kafka delivers them again.
        }

        pending.RemoveAll(static received => received.Failure is null);
        await ApplyPolicyAsync(pending, failed, succeeded: tried.Count - failed.Count);
    }

    private async Task ApplyPolicyAsync(List<ReceivedEvent> pending, List<ReceivedEvent> failed, int succeeded)
    {
        var decision = FailurePolicy.Decide(
            succeeded, failed.ConvertAll(static received => new FailedEvent(received.FailureKind, received.FailedRounds)), _refusalsInARow);
        _refusalsInARow = decision.RefusalsInARow;
        if (failed.Count == 0)
        {
            Pause = FailurePolicy.InitialPause;
            return;
        }

        var dead = new List<ReceivedEvent>();
        foreach (var (received, (action, failedRounds)) in failed.Zip(decision.Decisions))
        {
            received.FailedRounds = failedRounds;
            if (action is FailureAction.DeadLetter)
            {
                dead.Add(received);
            }
        }

        await MoveToDeadLettersAsync(pending, dead);
        if (pending.Count > 0)
        {
            ReportPutOff(pending.Count, pending[0].Failure!.Message);
            Pause = FailurePolicy.NextPause(Pause, decision.IsOutage);
        }
    }

    private Task RemoveUnreadableAsync(List<ReceivedEvent> pending)
    {
        var unreadable = pending.FindAll(static received => !received.IsReadable);
        unreadable.ForEach(static received => received.Attempts++);
        return MoveToDeadLettersAsync(pending, unreadable);
    }

    /// <summary>Events whose dead letter Kafka does not acknowledge stay pending.</summary>
    private async Task MoveToDeadLettersAsync(List<ReceivedEvent> pending, List<ReceivedEvent> dead)
    {
        if (dead.Count == 0)
        {
            return;
        }

        var added = await Task.WhenAll(dead.Select(received => deadLetters.AddAsync(received, group)));
        var moved = dead.Where((_, index) => added[index]).ToHashSet();
        pending.RemoveAll(moved.Contains);
    }

    private async Task TryTracedAsync(IReadOnlyList<ReceivedEvent> events)
    {
        if (!Instrumentation.Source.HasListeners())
        {
            await tryAsync(events);
            return;
        }

        var spans = MessageSpan.Process(events, group);
        try
        {
            await tryAsync(events);
        }
        finally
        {
            foreach (var (received, span) in spans)
            {
                span.End(received.Failure);
            }
        }
    }

    private void ReportPutOff(int count, string reason)
    {
        if (_putOffThrottle.IsDue())
        {
            LogPutOff(logger, group, count, reason);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group} waits with {Count} events, trying again: {Reason}")]
    private static partial void LogPutOff(ILogger logger, string group, int count, string reason);
}
