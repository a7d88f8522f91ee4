using Polly;
using Polly.Retry;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// What a consumer group does with its events: it tries each until its effect is done. What cannot be read is a dead
/// letter at once, and what fails while others succeed is one after its tries. When nearly everything fails, it is not
/// the events: the group waits, and still polls, so that it stays a member and sees when others succeed.
/// </summary>
internal abstract class EventConsumer : ConsumerLoop
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Events refused by a receiver one after the other, no success between: the fault may be with it. From then on they
    /// become dead letters one a round, so that those behind them are tried at last; when one of those succeeds, the rest.
    /// </summary>
    private const int MostRefusedInARow = 20;

    private readonly DeadLetters _deadLetters;
    private readonly ResiliencePipeline<List<ReceivedEvent>> _retry;
    private int _refusedInARow;

    protected EventConsumer(string name, ConsumerParts parts, ILogger logger)
        : base(name, parts, logger)
    {
        _deadLetters = parts.DeadLetters;
        _retry = new ResiliencePipelineBuilder<List<ReceivedEvent>>()
            .AddRetry(new RetryStrategyOptions<List<ReceivedEvent>>
            {
                ShouldHandle = static arguments => ValueTask.FromResult(arguments.Outcome.Result is { Count: > 0 }),
                MaxRetryAttempts = 4,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = TimeSpan.FromMilliseconds(200),
            })
            .Build();
    }

    /// <summary>Makes the effect of all of them, or of none; of an event that was seen before, it makes none.</summary>
    protected abstract Task ApplyAsync(IReadOnlyList<ReceivedEvent> events);

    protected override async Task RoundAsync(List<ReceivedEvent> pending, CancellationToken stoppingToken)
    {
        await GiveUpUnreadableAsync(pending);
        var tried = pending.Where(static received => received.IsReadable).ToList();
        var failed = tried;
        if (tried.Count == 0)
        {
            return;
        }

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
            return; // What is pending is not committed, and comes again.
        }

        pending.RemoveAll(static received => received.Failure is null);
        if (failed.Count < tried.Count)
        {
            _refusedInARow = 0;
        }

        if (failed.Count == 0)
        {
            Pause = ShortestPause;
            return;
        }

        await ApplyFailurePolicyAsync(pending, failed, done: tried.Count - failed.Count);
    }

    /// <summary>Whether it is the events or what they are sent to.</summary>
    private async Task ApplyFailurePolicyAsync(List<ReceivedEvent> pending, List<ReceivedEvent> failed, int done)
    {
        var doubtful = failed.Count(static received => !IsDefinite(received));
        var isOutage = done * 9 < doubtful;
        var dead = new List<ReceivedEvent>();
        foreach (var received in failed)
        {
            received.LostRounds += isOutage ? 0 : 1;
            if (IsDefinite(received) || (received.Failure is ReceiverRefusedException
                ? done > 0 || ++_refusedInARow <= MostRefusedInARow || dead.Count == 0
                : received.LostRounds >= 3 || (!isOutage && done >= doubtful && received.Failure is not TargetUnavailableException)))
            {
                dead.Add(received);
            }
        }

        await GiveUpAsync(pending, dead);
        if (pending.Count > 0)
        {
            ReportPutOff(pending.Count, pending[0].Failure!.Message);
            Pause = isOutage && Pause < LongestPause ? Pause * 2 : Pause;
        }
    }

    /// <summary>The fault is the event's own, and says nothing of what it was sent to.</summary>
    private static bool IsDefinite(ReceivedEvent received) => received.Failure is EventRefusedException and not ReceiverRefusedException;

    private Task GiveUpUnreadableAsync(List<ReceivedEvent> pending)
    {
        var unreadable = pending.FindAll(static received => !received.IsReadable);
        unreadable.ForEach(static received => received.Attempts++);
        return GiveUpAsync(pending, unreadable);
    }

    /// <summary>Those that Kafka does not take as dead letters now stay pending.</summary>
    private async Task GiveUpAsync(List<ReceivedEvent> pending, List<ReceivedEvent> dead)
    {
        if (dead.Count == 0)
        {
            return;
        }

        var added = await Task.WhenAll(dead.Select(received => _deadLetters.AddAsync(received, Group)));
        var gone = dead.Where((_, index) => added[index]).ToHashSet();
        pending.RemoveAll(gone.Contains);
    }

    private async Task TryTracedAsync(IReadOnlyList<ReceivedEvent> events)
    {
        if (!Instrumentation.Source.HasListeners())
        {
            await TryAsync(events);
            return;
        }

        var spans = MessageSpan.Process(events, Group);
        try
        {
            await TryAsync(events);
        }
        finally
        {
            foreach (var (received, span) in spans)
            {
                span.End(received.Failure);
            }
        }
    }

    /// <summary>Tries each once; those that failed have a <see cref="ReceivedEvent.Failure"/>.</summary>
    protected virtual async Task TryAsync(IReadOnlyList<ReceivedEvent> events)
    {
        var failure = await AttemptAsync(events);
        if (failure is not null and not TargetUnavailableException && events.Count > 1)
        {
            foreach (var alone in events)
            {
                alone.Attempts--; // it was counted above
                await AttemptAsync([alone]);
            }
        }
    }

    private async Task<Exception?> AttemptAsync(IReadOnlyList<ReceivedEvent> events)
    {
        Exception? failure = null;
        try
        {
            await ApplyAsync(events);
        }
        catch (Exception exception)
        {
            failure = exception is DatabaseUnavailableException or RedisUnavailableException
                ? new TargetUnavailableException(exception.Message, exception)
                : exception;
        }

        foreach (var tried in events)
        {
            tried.Attempts++;
            tried.Failure = failure;
        }

        return failure;
    }
}
