using System.Diagnostics;
using System.Net;
using StackExchange.Redis;

namespace ConcertBooking.Redis;

/// <summary>
/// The connection to Redis, with failover. The client reconnects by itself when a connection breaks; it stays, however, with
/// a server that was demoted behind its address, and with half-open connections. So a write is tried every second; where it
/// fails, the client refreshes its configuration to find the primary, or a second client is connected, which replaces the
/// first if it can write and that one cannot. One attempt runs at a time, however many requests wait for Redis meanwhile.
/// </summary>
internal sealed partial class RedisConnection : IAsyncDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(500);

    /// <summary>The timeout of a probe's write. The client itself gives up after one second, or two on a busy machine.</summary>
    private static readonly TimeSpan WriteTimeout = TimeSpan.FromMilliseconds(1800);

    private static readonly TimeSpan RefreshTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Between attempts after a server reported that it is not the primary.</summary>
    private static readonly TimeSpan DemotedInterval = TimeSpan.FromSeconds(2);

    /// <summary>Between other attempts, and how long Redis must have failed before the first: most outages end by themselves.</summary>
    private static readonly TimeSpan FailingInterval = TimeSpan.FromSeconds(5);

    /// <summary>Before a replaced connection is closed, so that its calls can complete: longer than any call waits.</summary>
    private static readonly TimeSpan CloseDelay = TimeSpan.FromSeconds(2);

    private readonly RedisSettings _settings;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private volatile Link _link;
    private Task _reconnecting = Task.CompletedTask;
    private long _attempted;
    private long? _failingSince;
    private volatile ProbeKeys? _probeKeys;

    public RedisConnection(RedisSettings settings, ILogger logger)
    {
        (_settings, _logger) = (settings, logger);
        var options = settings.Options;
        options.AbortOnConnectFail = false;
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.ConnectTimeout = 2000;
        options.AsyncTimeout = 1000;
        options.SyncTimeout = 1000;
        options.KeepAlive = 5;
        options.ReconnectRetryPolicy = new LinearRetry(500);
        options.ClientName = "concert-booking";
        if (options.EndPoints.Count > 1)
        {
            options.ConfigCheckSeconds = 2; // a promoted replica must be found soon
        }

        _link = new Link(ConnectAsync(options, _stop.Token));
    }

    /// <summary>Not completed while no Sentinel knows a primary.</summary>
    public Task<ConnectionMultiplexer> Current => _link.Connecting;

    /// <summary>Known from the first probe on.</summary>
    public bool IsCluster => _probeKeys?.Cluster is not null;

    private sealed record ProbeKeys(ClusterConfiguration? Cluster, RedisKey[] Keys);

    private sealed class Link(Task<ConnectionMultiplexer> connecting)
    {
        public Task<ConnectionMultiplexer> Connecting => connecting;

        public TaskCompletionSource Replaced { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>
    /// Connects. A connection that could not be made recovers by itself, except with Sentinel: there it is not made at all
    /// while no Sentinel knows a primary.
    /// </summary>
    private static async Task<ConnectionMultiplexer> ConnectAsync(ConfigurationOptions options, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await ConnectionMultiplexer.ConnectAsync(options);
            }
            catch (RedisException)
            {
                await Task.Delay(RetryDelay, cancellationToken);
            }
        }
    }

    /// <summary>Subscribes to a channel until cancelled, on the connection that is in use.</summary>
    public async Task SubscribeAsync(string channel, Action<string> onMessage, CancellationToken cancellationToken)
    {
        while (true)
        {
            var link = _link;
            try
            {
                var redis = await link.Connecting.WaitAsync(cancellationToken);
                await redis.GetSubscriber().SubscribeAsync(
                    RedisChannel.Literal(_settings.KeyPrefix + channel), (_, message) => onMessage(message.ToString()));
                await link.Replaced.Task.WaitAsync(cancellationToken);
            }
            catch (Exception exception) when (RedisErrors.IsOutage(exception))
            {
                await Task.Delay(RetryDelay, cancellationToken);
            }
        }
    }

    /// <summary>
    /// Tries a write on each primary, and reconnects when that has failed for long enough. For a single caller, once a second.
    /// </summary>
    /// <returns>What is wrong, if anything is.</returns>
    public async Task<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        var link = _link;
        var redis = await link.Connecting.WaitAsync(cancellationToken);
        var problem = await TryWritesAsync(redis);
        if (problem is null)
        {
            _failingSince = null;
            return null;
        }

        var now = Stopwatch.GetTimestamp();
        var failing = Stopwatch.GetElapsedTime(_failingSince ??= now, now);
        var notPrimary = RedisErrors.IsNotPrimary(problem);
        if (_reconnecting.IsCompleted && (notPrimary || failing >= FailingInterval)
            && Stopwatch.GetElapsedTime(_attempted, now) >= (notPrimary ? DemotedInterval : FailingInterval))
        {
            _attempted = now;
            _reconnecting = ReconnectAsync(link, redis, failing);
        }

        return RedisErrors.Code(problem) is { } code ? $"it answers {code}" : "no answer to a write";
    }

    private async Task<Exception?> TryWritesAsync(ConnectionMultiplexer redis)
    {
        var database = redis.GetDatabase();
        var failures = await Task.WhenAll(KeysToProbe(redis).Select(key => TryWriteAsync(database, key)));
        return failures.FirstOrDefault(static failure => failure is not null);
    }

    /// <summary>By a script, as all calls are.</summary>
    private static async Task<Exception?> TryWriteAsync(IDatabase redis, RedisKey key)
    {
        try
        {
            await redis.ScriptEvaluateAsync("return redis.call('SET', KEYS[1], 1, 'PX', 60000)", [key]).WaitAsync(WriteTimeout);
            return null;
        }
        catch (Exception exception) when (exception is RedisException || RedisErrors.IsOutage(exception))
        {
            return exception;
        }
    }

    /// <summary>One key, or in a cluster one for each primary, found by trying which key hashes to which primary.</summary>
    private RedisKey[] KeysToProbe(ConnectionMultiplexer redis)
    {
        var cluster = redis.GetServers().Select(static server => server.ClusterConfiguration)
            .FirstOrDefault(static configuration => configuration is not null);
        if (_probeKeys is { } known && ReferenceEquals(known.Cluster, cluster))
        {
            return known.Keys;
        }

        var primaries = cluster?.Nodes.Where(static node => !node.IsReplica && node.Slots.Count > 0)
            .Select(static node => node.EndPoint).OfType<EndPoint>().ToHashSet() ?? [];
        var keys = Enumerable.Range(0, 20_000).Select(number => (RedisKey)$"{_settings.KeyPrefix}health:{number}")
            .TakeWhile(_ => primaries.Count > 0)
            .Where(key => cluster!.GetBySlot(key)?.EndPoint is { } primary && primaries.Remove(primary))
            .ToArray();
        return (_probeKeys = new ProbeKeys(cluster, keys.Length > 0 ? keys : [$"{_settings.KeyPrefix}health"])).Keys;
    }

    /// <summary>
    /// A client that knows several servers looks for the primary among them. Where there is one address, or that did not help,
    /// a new connection leads to the server that is there now. A cluster's client is never replaced, since the other servers
    /// still serve through it.
    /// </summary>
    private async Task ReconnectAsync(Link link, ConnectionMultiplexer redis, TimeSpan failing)
    {
        try
        {
            var several = _settings.Options.EndPoints.Count > 1 || _settings.Options.ServiceName is { Length: > 0 };
            if (IsCluster || (several && failing < FailingInterval))
            {
                await redis.ConfigureAsync().WaitAsync(RefreshTimeout, _stop.Token);
            }
            else if (await ConnectIfBetterAsync(redis) is { } fresh)
            {
                _link = new Link(Task.FromResult(fresh));
                link.Replaced.SetResult();
                LogReconnected(failing.TotalSeconds);
                await Task.Delay(CloseDelay, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await redis.CloseAsync(allowCommandsToComplete: false);
                await redis.DisposeAsync();
            }
        }
        catch (Exception exception) when (exception is RedisException or OperationCanceledException || RedisErrors.IsOutage(exception))
        {
            // The next probe decides whether to try again.
        }
    }

    /// <returns>A client that can write; null when there is none, or the current one can write again.</returns>
    private async Task<ConnectionMultiplexer?> ConnectIfBetterAsync(ConnectionMultiplexer redis)
    {
        var options = _settings.Options.Clone();
        (options.AbortOnConnectFail, options.ConnectRetry) = (true, 1);
        var fresh = await ConnectionMultiplexer.ConnectAsync(options);
        if (await TryWritesAsync(fresh) is null && await TryWritesAsync(redis) is not null)
        {
            return fresh;
        }

        await fresh.DisposeAsync();
        return null;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _reconnecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_link.Connecting.IsCompletedSuccessfully)
        {
            await (await _link.Connecting).DisposeAsync();
        }

        _stop.Dispose();
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Redis accepted no writes for {Seconds:0.0} s: reconnected to the server that its address leads to now")]
    private partial void LogReconnected(double seconds);
}
