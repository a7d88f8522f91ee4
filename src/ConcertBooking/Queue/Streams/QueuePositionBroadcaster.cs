using ConcertBooking.Queue.Room;

namespace ConcertBooking.Queue.Streams;

/// <summary>
/// Broadcasts places to all event streams of this instance. Once a second it reads the places of all streams, in a few calls
/// per queue; those of newly admitted users at once: every admission is published on a channel that each instance subscribes
/// to. A published message is only a hint; a lost one delays its stream by up to a second.
/// </summary>
internal sealed partial class QueuePositionBroadcaster(
    RedisClient redis, WaitingRoom room, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<QueuePositionBroadcaster> logger)
    : BackgroundService
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    /// <summary>Places read in one call, which blocks Redis for a millisecond.</summary>
    private const int MaximumBatchSize = 250;

    /// <summary>Open streams of one user on this instance; a further one closes the oldest.</summary>
    private const int MaximumStreamsPerUser = 4;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Queue, long UserId), List<PlaceStream>> _streams = [];
    private readonly HashSet<(string Queue, long UserId)> _admitted = [];
    private readonly SemaphoreSlim _wake = new(0, 1);

    /// <summary>Sends the stream its first place and completes when the stream has ended.</summary>
    public async Task FollowAsync(PlaceStream stream, Place place)
    {
        Add(stream);
        try
        {
            stream.SendPlace(place);
            if (lifetime.ApplicationStopping.IsCancellationRequested)
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

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var ending = lifetime.ApplicationStopping.Register(CloseAllWithRetry);
        var listening = redis.SubscribeAsync(WaitingRoomLua.AdmittedChannel, OnAdmitted, stoppingToken);
        var ticked = time.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested)
        {
            var rest = Tick - time.GetElapsedTime(ticked);
            if (rest > TimeSpan.Zero)
            {
                await _wake.WaitAsync(rest, stoppingToken);
            }

            var all = time.GetElapsedTime(ticked) >= Tick;
            if (all)
            {
                ticked = time.GetTimestamp();
            }

            var streams = all ? All() : Admitted();
            await RefreshAsync(streams);
            foreach (var stream in streams)
            {
                stream.SendHeartbeat(Heartbeat);
            }
        }

        await listening;
    }

    private Task RefreshAsync(List<PlaceStream> streams) =>
        EachQueue.RunAsync(streams.GroupBy(static stream => stream.Owner.Queue), RefreshQueueAsync);

    private async Task RefreshQueueAsync(IGrouping<string, PlaceStream> queue)
    {
        foreach (var some in queue.Chunk(MaximumBatchSize))
        {
            try
            {
                var places = await room.WatchAsync(queue.Key, Array.ConvertAll(some, static stream => stream.Token));
                for (var index = 0; index < some.Length; index++)
                {
                    some[index].SendPlace(places[index]);
                }
            }
            catch (RedisUnavailableException)
            {
                return; // This queue's streams stay open and get their places when its Redis is back.
            }
            catch (Exception exception)
            {
                LogFailed(exception.Message);
            }
        }
    }

    /// <summary>Runs on the Redis connection's thread, so it only records the users.</summary>
    private void OnAdmitted(string message)
    {
        var words = message.Split(' ');
        var known = false;
        lock (_lock)
        {
            foreach (var user in words.AsSpan(1))
            {
                if (long.TryParse(user, out var userId) && _streams.ContainsKey((words[0], userId)))
                {
                    known |= _admitted.Add((words[0], userId));
                }
            }
        }

        if (known)
        {
            Wake();
        }
    }

    private void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // A wake-up is already pending.
        }
    }

    private List<PlaceStream> All()
    {
        lock (_lock)
        {
            _admitted.Clear();
            return [.. _streams.Values.SelectMany(static streams => streams)];
        }
    }

    private List<PlaceStream> Admitted()
    {
        lock (_lock)
        {
            List<PlaceStream> streams = [.. _admitted.Where(_streams.ContainsKey).SelectMany(user => _streams[user])];
            _admitted.Clear();
            return streams;
        }
    }

    private void Add(PlaceStream stream)
    {
        lock (_lock)
        {
            if (!_streams.TryGetValue(stream.Owner, out var streams))
            {
                _streams[stream.Owner] = streams = new List<PlaceStream>(1);
            }

            if (streams.Count == MaximumStreamsPerUser)
            {
                streams[0].Supersede();
                streams.RemoveAt(0);
            }

            streams.Add(stream);
        }
    }

    private void Remove(PlaceStream stream)
    {
        lock (_lock)
        {
            if (_streams.TryGetValue(stream.Owner, out var streams) && streams.Remove(stream) && streams.Count == 0)
            {
                _streams.Remove(stream.Owner);
            }
        }
    }

    private void CloseAllWithRetry()
    {
        foreach (var stream in All())
        {
            stream.CloseWithRetry();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The streams could not be sent their places, trying again: {Reason}")]
    private partial void LogFailed(string reason);
}
