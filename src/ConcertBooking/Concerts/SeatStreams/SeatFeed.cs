namespace ConcertBooking.Concerts.SeatStreams;

/// <summary>
/// The streams of one schedule, and the loop that keeps them up to date: it reads the seats while somebody watches, and writes the
/// same bytes to all.
/// </summary>
internal sealed class SeatFeed(long scheduleId, SeatFeeds feeds, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(600);
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    /// <summary>Written before other work of the thread pool has its turn: half a millisecond.</summary>
    private const int WritesAtOnce = 16;

    /// <summary>
    /// Between two such portions. Thousands of writes in a row would use up what a container may take of its processor, which then
    /// stops for tens of milliseconds, and those who buy with it.
    /// </summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(1.6);

    /// <summary>In which all must have been written to, however many they are.</summary>
    private static readonly TimeSpan MaximumSpread = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly HashSet<SeatStream> _streams = [];
    private readonly List<SeatStream> _receivers = [];
    private volatile string? _ended;
    private bool _running;

    public SeatLog Log { get; } = new(scheduleId);

    /// <summary>When somebody last asked for it, or its last stream ended.</summary>
    public long UsedAt { get; set; } = time.GetTimestamp();

    public bool IsWatched
    {
        get
        {
            lock (_lock)
            {
                return _streams.Count > 0;
            }
        }
    }

    /// <summary>Sends the stream its first event and completes when the stream has ended.</summary>
    public async Task FollowAsync(SeatStream stream, bool stopping)
    {
        Add(stream);
        try
        {
            if (!stream.Send(Log))
            {
                stream.SendHeartbeat(TimeSpan.Zero); // the client is up to date: only the headers are due
            }

            if (stopping)
            {
                stream.CloseWithRetry();
            }

            await stream.CompletionAsync();
        }
        finally
        {
            Remove(stream);
        }
    }

    public void CloseAllWithRetry() => Streams().ForEach(static stream => stream.CloseWithRetry());

    private async Task RunAsync()
    {
        var reading = ReadAsync();
        do
        {
            var began = time.GetTimestamp();
            await reading.WaitAsync(Interval, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await SendToAllAsync();
            if (_ended is { } code)
            {
                Streams().ForEach(stream => stream.CloseForGood(code));
            }

            if (Interval - time.GetElapsedTime(began) is var rest && rest > TimeSpan.Zero)
            {
                await Task.Delay(rest, time);
            }

            reading = reading.IsCompleted ? ReadAsync() : reading; // without MySQL a read takes longer, and heartbeats go on
        }
        while (IsNeeded());
    }

    private async Task ReadAsync()
    {
        if (await feeds.ReadAsync(scheduleId) is { } outcome)
        {
            _ended = outcome.Ended;
            if (outcome.States is { } states)
            {
                Log.Update(states);
            }
        }
    }

    private async Task SendToAllAsync()
    {
        lock (_lock)
        {
            _receivers.Clear();
            _receivers.AddRange(_streams);
        }

        var (began, writes) = (time.GetTimestamp(), 0);
        var portions = Math.Max(1, _receivers.Count / WritesAtOnce);
        var pace = Pace * portions < MaximumSpread ? Pace : MaximumSpread / portions;
        foreach (var stream in _receivers)
        {
            if (stream.Send(Log))
            {
                if (++writes % WritesAtOnce == 0)
                {
                    await GiveWayAsync((writes / WritesAtOnce * pace) - time.GetElapsedTime(began));
                }
            }
            else
            {
                stream.SendHeartbeat(Heartbeat);
            }
        }
    }

    /// <param name="ahead">Of the pace.</param>
    private async Task GiveWayAsync(TimeSpan ahead)
    {
        if (ahead >= TimeSpan.FromMilliseconds(1))
        {
            await Task.Delay(ahead, time);
        }
        else
        {
            await Task.Yield();
        }
    }

    private List<SeatStream> Streams()
    {
        lock (_lock)
        {
            return [.. _streams];
        }
    }

    private void Add(SeatStream stream)
    {
        lock (_lock)
        {
            _streams.Add(stream);
            if (_running)
            {
                return;
            }

            _running = true;
        }

        // In no request's context or trace.
        ThreadPool.UnsafeQueueUserWorkItem(static feed => _ = feed.RunAsync(), this, preferLocal: false);
    }

    private void Remove(SeatStream stream)
    {
        lock (_lock)
        {
            UsedAt = time.GetTimestamp();
            _streams.Remove(stream);
        }
    }

    private bool IsNeeded()
    {
        lock (_lock)
        {
            _running = _streams.Count > 0;
            if (!_running)
            {
                _receivers.Clear();
            }

            return _running;
        }
    }
}
