using System.Collections.Concurrent;

namespace ConcertBooking.Concerts.SeatStreams;

/// <summary>
/// The feeds of the schedules that are watched, or were of late: a client that comes back soon gets only what has changed.
/// </summary>
internal sealed partial class SeatFeeds : IDisposable
{
    /// <summary>When there are as many, those that nobody has watched for a minute are dropped.</summary>
    private const int ManyFeeds = 100;
    private static readonly TimeSpan Unused = TimeSpan.FromMinutes(1);

    /// <summary>Reads of all feeds at a time: the rest of the reads that MySQL is asked at a time is for requests.</summary>
    private readonly SemaphoreSlim _reads = new(2);

    private readonly ConcurrentDictionary<long, SeatFeed> _feeds = new();
    private readonly SeatStateCache _seats;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly Metrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger<SeatFeeds> _logger;
    private readonly CancellationTokenRegistration _stopping;

    /// <summary>The rest of the connections is for those who buy.</summary>
    private readonly int _maximumStreams;
    private int _openStreams;

    public SeatFeeds(
        SeatStateCache seats, IHostApplicationLifetime lifetime, Settings settings, Metrics metrics, TimeProvider time,
        ILogger<SeatFeeds> logger)
    {
        (_seats, _lifetime, _metrics, _time, _logger) = (seats, lifetime, metrics, time, logger);
        _maximumStreams = OpenFiles.MaxConnections(settings) / 2;
        _stopping = lifetime.ApplicationStopping.Register(CloseAllWithRetry);
    }

    /// <summary>The outcome of a read.</summary>
    /// <param name="States">Null when there is no such schedule.</param>
    /// <param name="Ended">The code of <c>closed</c>, once there is nothing more to watch.</param>
    internal sealed record Outcome(SeatStates? States, string? Ended);

    /// <summary>The schedule's feed, up to date.</summary>
    /// <returns>Null when there is no such schedule.</returns>
    /// <exception cref="DatabaseUnavailableException">MySQL did not answer, and nobody watches the schedule.</exception>
    public async Task<SeatFeed?> FindAsync(long scheduleId)
    {
        if (_feeds.TryGetValue(scheduleId, out var feed))
        {
            feed.UsedAt = _time.GetTimestamp(); // so that it is not dropped now
            if (feed.IsWatched)
            {
                return feed; // its loop reads the seats
            }
        }

        if (await _seats.GetAsync(scheduleId) is not { } states)
        {
            return null;
        }

        if (feed is null)
        {
            DropUnused();
            feed = _feeds.GetOrAdd(scheduleId, id => new SeatFeed(id, this, _time));
        }

        feed.Log.Update(states);
        return feed;
    }

    /// <summary>Runs the stream of a client to its end.</summary>
    /// <returns>False when there are as many streams as this instance takes.</returns>
    public async Task<bool> TryFollowAsync(SeatFeed feed, HttpContext context)
    {
        if (Interlocked.Increment(ref _openStreams) > _maximumStreams)
        {
            Interlocked.Decrement(ref _openStreams);
            return false;
        }

        _metrics.SeatStreamOpened();
        try
        {
            if (EventStream.TryBegin(context))
            {
                var stream = new SeatStream(context, _time, feed.Log.VersionOf(context.Request.Headers["Last-Event-ID"]));
                await feed.FollowAsync(stream, _lifetime.ApplicationStopping.IsCancellationRequested);
            }

            return true;
        }
        finally
        {
            _metrics.SeatStreamClosed();
            Interlocked.Decrement(ref _openStreams);
        }
    }

    /// <summary>Reads the seats for a feed.</summary>
    /// <returns>Null when MySQL did not answer: the streams stay open, and the next read may succeed.</returns>
    public async Task<Outcome?> ReadAsync(long scheduleId)
    {
        await _reads.WaitAsync();
        try
        {
            var states = await _seats.GetAsync(scheduleId);
            var ended = states is null ? Problems.ScheduleNotFound : states.HasStarted ? Problems.ScheduleClosed : null;
            return new Outcome(states, ended?.Code);
        }
        catch (DatabaseUnavailableException)
        {
            return null; // readyz and the health check report it
        }
        catch (Exception exception)
        {
            LogFailed(exception.Message);
            return null;
        }
        finally
        {
            _reads.Release();
        }
    }

    public void Dispose()
    {
        _stopping.Dispose();
        _reads.Dispose();
    }

    private void CloseAllWithRetry()
    {
        foreach (var (_, feed) in _feeds)
        {
            feed.CloseAllWithRetry();
        }
    }

    private void DropUnused()
    {
        foreach (var (scheduleId, feed) in _feeds.Count < ManyFeeds ? [] : _feeds.ToArray())
        {
            if (!feed.IsWatched && _time.GetElapsedTime(feed.UsedAt) > Unused)
            {
                _feeds.TryRemove(new(scheduleId, feed));
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The seats of a stream could not be read, trying again: {Reason}")]
    private partial void LogFailed(string reason);
}
