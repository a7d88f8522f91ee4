using ConcertBooking.Infrastructure;
using Confluent.Kafka;
using Polly;
using Polly.Retry;

namespace ConcertBooking.Events;

/// <summary>
/// A consumer group: takes events in batches, tries each until its effect is done, and only then lets its offset be
/// committed. What fails while the others succeed becomes a dead letter; when nearly everything fails, it is not the
/// events: the group waits, and still polls, so that it stays a member and sees when others succeed.
/// </summary>
internal abstract partial class EventConsumer : BackgroundService
{
    private static readonly TimeSpan PollLimit = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>Refused events one after the other, no success between: the fault is with us, not with them.</summary>
    private const int MostRefusedInARow = 20;

    private readonly Kafka _kafka;
    private readonly DeadLetters _deadLetters;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ResiliencePipeline<List<ReceivedEvent>> _retry;
    private readonly Positions _positions = new();
    private readonly OnceAMinute _reminder;
    private List<ReceivedEvent> _pending = [];
    private TimeSpan _pause = ShortestPause;
    private int _refusedInARow;

    protected EventConsumer(string name, Kafka kafka, DeadLetters deadLetters, TimeProvider time, ILogger logger)
    {
        (Name, _kafka, _deadLetters, _time, _logger) = (name, kafka, deadLetters, time, logger);
        _reminder = new OnceAMinute(time);
        deadLetters.Expect(Group);
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

    protected string Name { get; }

    protected TimeProvider Time => _time;

    protected string Group => $"concert-booking.{Name}";

    protected virtual int BatchSize => 500;

    /// <summary>Makes the effect of all of them, or of none; of an event that was seen before, it makes none.</summary>
    protected abstract Task Apply(IReadOnlyList<ReceivedEvent> events);

    /// <summary>librdkafka's calls block, so the group has a thread of its own.</summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => !_kafka.IsConfigured
        ? Task.CompletedTask
        : Task.Factory.StartNew(() => Consume(stoppingToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void Consume(CancellationToken stoppingToken)
    {
        using var consumer = _kafka.Consumer(Group, Forget);
        consumer.Subscribe(Outbox.PaymentsTopic);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                Fill(consumer, stoppingToken);
                if (_pending.Count > 0)
                {
                    Round(stoppingToken).GetAwaiter().GetResult();
                    _positions.Store(consumer, _pending);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                Say(exception.Message);
                stoppingToken.WaitHandle.WaitOne(ShortestPause);
            }
        }

        if (_kafka.Up)
        {
            consumer.Close(); // commits what was stored and leaves the group, so that others go on at once
        }
    }

    /// <summary>Takes what there is; while something is put off, for as long as it is put off.</summary>
    private void Fill(IConsumer<byte[], byte[]> consumer, CancellationToken stoppingToken)
    {
        var until = _time.GetTimestamp() + (long)((_pending.Count == 0 ? PollLimit : _pause).TotalSeconds * _time.TimestampFrequency);
        var waiting = _pending.Count > 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            var left = _time.GetElapsedTime(_time.GetTimestamp(), until);
            if (_pending.Count >= BatchSize)
            {
                Stay(consumer, left, stoppingToken);
                return;
            }

            var wait = waiting || _pending.Count == 0 ? left : TimeSpan.Zero;
            var result = consumer.Consume(wait < TimeSpan.Zero ? TimeSpan.Zero : wait > PollLimit ? PollLimit : wait);
            Take(result);
            if (result is null && (!waiting || left <= TimeSpan.Zero))
            {
                return;
            }
        }
    }

    private void Take(ConsumeResult<byte[], byte[]>? result)
    {
        if (result is not null)
        {
            _positions.Received(result);
            _pending.Add(new ReceivedEvent(result));
        }
    }

    /// <summary>Waits as a member of the group that takes nothing more.</summary>
    private void Stay(IConsumer<byte[], byte[]> consumer, TimeSpan wait, CancellationToken stoppingToken)
    {
        var began = _time.GetTimestamp();
        if (wait <= TimeSpan.Zero || !_pending.Exists(static pending => pending.Attempts > 0))
        {
            return;
        }

        consumer.Pause(consumer.Assignment);
        while (_time.GetElapsedTime(began) < wait && !stoppingToken.IsCancellationRequested)
        {
            Take(consumer.Consume(PollLimit)); // of a partition that was assigned meanwhile
        }

        consumer.Resume(consumer.Assignment);
    }

    /// <summary>Another member has these partitions now, and gets everything that is not committed.</summary>
    private void Forget(IEnumerable<TopicPartition> revoked)
    {
        foreach (var partition in revoked)
        {
            _positions.Forget(partition);
            _pending.RemoveAll(pending => pending.Result.TopicPartition == partition);
        }
    }

    private async Task Round(CancellationToken stoppingToken)
    {
        var tried = _pending.Count;
        try
        {
            await _retry.ExecuteAsync(
                async _ =>
                {
                    await TryTraced(_pending);
                    return _pending = [.. _pending.Where(static pending => pending.Failure is not null)];
                },
                stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            return; // What is pending is not committed, and comes again.
        }

        if (_pending.Count < tried)
        {
            _refusedInARow = 0;
        }

        if (_pending.Count == 0)
        {
            _pause = ShortestPause;
            return;
        }

        await Judge(done: tried - _pending.Count);
    }

    /// <summary>Whether it is the events or what they are sent to.</summary>
    private async Task Judge(int done)
    {
        var failed = _pending.Count;
        var isOutage = done * 9 < failed;
        var dead = new List<ReceivedEvent>();
        foreach (var pending in _pending)
        {
            pending.LostRounds += isOutage ? 0 : 1;
            if (pending.Failure is EventRefusedException
                ? ++_refusedInARow <= MostRefusedInARow
                : pending.LostRounds >= 3 || (!isOutage && done >= failed && pending.Failure is not TargetUnavailableException))
            {
                dead.Add(pending);
            }
        }

        foreach (var pending in dead)
        {
            if (await _deadLetters.Add(pending, Group))
            {
                _pending.Remove(pending);
            }
        }

        if (_pending.Count > 0)
        {
            Say(_pending[0].Failure!.Message);
            _pause = isOutage && _pause < LongestPause ? _pause * 2 : _pause;
        }
    }

    private async Task TryTraced(IReadOnlyList<ReceivedEvent> events)
    {
        if (!Telemetry.Source.HasListeners())
        {
            await Try(events);
            return;
        }

        var spans = MessageSpan.Process(events, Group);
        try
        {
            await Try(events);
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
    protected virtual async Task Try(IReadOnlyList<ReceivedEvent> events)
    {
        var failure = await Attempt(events);
        if (failure is not null and not TargetUnavailableException && events.Count > 1)
        {
            foreach (var alone in events)
            {
                alone.Attempts--; // it was counted above
                await Attempt([alone]);
            }
        }
    }

    private async Task<Exception?> Attempt(IReadOnlyList<ReceivedEvent> events)
    {
        Exception? failure = null;
        try
        {
            await Apply(events);
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

    private void Say(string reason)
    {
        if (_reminder.IsDue())
        {
            LogPutOff(_logger, Group, _pending.Count, reason);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group} waits with {Count} events, trying again: {Reason}")]
    private static partial void LogPutOff(ILogger logger, string group, int count, string reason);
}
