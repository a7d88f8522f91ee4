using System.Diagnostics;
using Polly;
using Polly.CircuitBreaker;
using StackExchange.Redis;

namespace ConcertBooking.Infrastructure;

/// <summary>Redis did not answer within its limit, or is known not to.</summary>
internal sealed class RedisUnavailableException(Exception? inner = null) : Exception("Redis is unavailable.", inner);

/// <summary>A Lua script and the hash by which Redis keeps it, which is asked for once: the client would look the whole text up at every call.</summary>
internal sealed class RedisScript(string text)
{
    public string Text { get; } = text;

    public byte[]? Hash { get; set; }
}

/// <summary>
/// The one way to Redis: scripts only, each wait bounded, and a circuit breaker so that a dead Redis costs
/// requests nothing but the first few waits. Redis sheds load; nothing here decides who owns a seat.
/// </summary>
internal sealed class Redis : IAsyncDisposable
{
    private static readonly TimeSpan WaitLimit = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(500);

    /// <summary>What a request's wait for a script is called in its trace; scripts of nobody's request are in none.</summary>
    public const string SpanName = "redis EVALSHA";

    private readonly CancellationTokenSource _stop = new();
    private readonly Task<ConnectionMultiplexer> _connecting;
    private readonly string _prefix;
    private readonly ResiliencePipeline<RedisResult> _breaker;

    public Redis(Settings settings)
    {
        _prefix = settings.Redis.KeyPrefix;
        var options = settings.Redis.Options;
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
            options.ConfigCheckSeconds = 2; // whoever is promoted must be found soon
        }

        _connecting = Connect(options, _stop.Token);
        _breaker = new ResiliencePipelineBuilder<RedisResult>()
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<RedisResult>
            {
                ShouldHandle = arguments => ValueTask.FromResult(IsOutage(arguments.Outcome.Exception)),
                // A Redis that is away fails every call. Some late ones among many are a busy processor, which a
                // closed waiting room would not help.
                FailureRatio = 0.8,
                MinimumThroughput = 4, // visitors share calls, so that a Redis that hangs fails four of them a second
                SamplingDuration = TimeSpan.FromSeconds(2),
                BreakDuration = TimeSpan.FromSeconds(1),
            })
            .Build();
    }

    /// <summary>
    /// A connection that failed to be made heals by itself, except that Sentinel's is not made at all while no Sentinel
    /// knows a primary.
    /// </summary>
    private static async Task<ConnectionMultiplexer> Connect(ConfigurationOptions options, CancellationToken cancellationToken)
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

    /// <summary>Listens to a channel from now on, also after the connection was lost and is back.</summary>
    public async Task Subscribe(string channel, Action<string> heard, CancellationToken cancellationToken)
    {
        var redis = await _connecting.WaitAsync(cancellationToken);
        while (true)
        {
            try
            {
                await redis.GetSubscriber().SubscribeAsync(RedisChannel.Literal(_prefix + channel), (_, message) => heard(message.ToString()));
                return;
            }
            catch (Exception exception) when (IsOutage(exception))
            {
                await Task.Delay(RetryDelay, cancellationToken);
            }
        }
    }

    /// <summary>Runs one script.</summary>
    /// <exception cref="RedisUnavailableException">No answer within 250 ms, no connection, or the circuit is open.</exception>
    public async Task<RedisResult> Eval(RedisScript script, RedisKey[] keys, RedisValue[] arguments)
    {
        using var span = Activity.Current is null ? null : Telemetry.Source.StartActivity(SpanName, ActivityKind.Client);
        var prefixed = _prefix.Length == 0 ? keys : Array.ConvertAll(keys, key => key.Prepend(_prefix));
        try
        {
            return await _breaker.ExecuteAsync(
                static async (call, token) =>
                {
                    var redis = (await call.Connecting.WaitAsync(WaitLimit, token)).GetDatabase();
                    var hash = call.Script.Hash ??= await Hash(redis, call.Script.Text).WaitAsync(WaitLimit, token);
                    try
                    {
                        return await redis.ScriptEvaluateAsync(hash, call.Keys, call.Arguments).WaitAsync(WaitLimit, token);
                    }
                    catch (RedisServerException exception) when (exception.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
                    {
                        // Redis sees it for the first time, or was restarted.
                        return await redis.ScriptEvaluateAsync(call.Script.Text, call.Keys, call.Arguments).WaitAsync(WaitLimit, token);
                    }
                },
                (Connecting: _connecting, Script: script, Keys: prefixed, Arguments: arguments));
        }
        catch (Exception exception) when (IsOutage(exception) || exception is BrokenCircuitException)
        {
            span?.SetStatus(ActivityStatusCode.Error);
            throw new RedisUnavailableException(exception);
        }
    }

    private static async Task<byte[]> Hash(IDatabase redis, string script) =>
        Convert.FromHexString((string)(await redis.ScriptEvaluateAsync("return redis.sha1hex(ARGV[1])", [], [script]))!);

    /// <summary>Whether Redis answers a PING; asked past the breaker, so that health sees recovery first.</summary>
    public async Task<bool> Answers(CancellationToken cancellationToken)
    {
        try
        {
            var redis = await _connecting.WaitAsync(cancellationToken);
            await redis.GetDatabase().PingAsync().WaitAsync(cancellationToken);
            return true;
        }
        catch (Exception exception) when (IsOutage(exception))
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _stop.Dispose();
        if (_connecting.IsCompletedSuccessfully)
        {
            await (await _connecting).DisposeAsync();
        }
    }

    /// <summary>A replica that was just promoted, a loading server or a lost slot are outages; a script error is a bug.</summary>
    private static bool IsOutage(Exception? exception) => exception switch
    {
        TimeoutException or RedisConnectionException or ObjectDisposedException => true,
        RedisServerException server => !server.Message.StartsWith("ERR", StringComparison.Ordinal)
            || server.Message.Contains("READONLY", StringComparison.Ordinal), // as Redis 6 tells it from within a script
        _ => false,
    };
}
