using System.Collections.Concurrent;
using System.Diagnostics;
using Polly;
using Polly.CircuitBreaker;
using StackExchange.Redis;

namespace ConcertBooking.Redis;

/// <summary>Redis did not answer within the timeout, or the circuit is open.</summary>
internal sealed class RedisUnavailableException(Exception? inner = null) : Exception("Redis is unavailable.", inner);

/// <summary>
/// A Lua script and the hash under which Redis caches it. The hash is asked for once: the client would look up the whole text
/// at every call.
/// </summary>
internal sealed class RedisScript(string text)
{
    public string Text { get; } = text;

    public byte[]? Hash { get; set; }
}

/// <summary>
/// Client for Redis: scripts only, each call with a timeout, each key under the prefix of this installation, and a circuit
/// breaker, so that a Redis that cannot be reached costs requests only the first few waits. Redis sheds load; nothing here
/// decides who owns a seat.
/// </summary>
internal sealed class RedisClient(Settings settings, ILogger<RedisClient> logger) : IAsyncDisposable
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromMilliseconds(250);

    /// <summary>The span of a script that a request waits for; scripts outside a request have none.</summary>
    public const string SpanName = "redis EVALSHA";

    /// <summary>The key of the only breaker outside a cluster.</summary>
    private const int NoSlot = -1;

    private readonly RedisConnection _connection = new(settings.Redis, logger);
    private readonly string _prefix = settings.Redis.KeyPrefix;

    /// <summary>
    /// In a cluster one for each slot in use, that is for each queue: one server that hangs must not close the queues of the
    /// others.
    /// </summary>
    private readonly ConcurrentDictionary<int, ResiliencePipeline<RedisResult>> _breakers = new();

    private static ResiliencePipeline<RedisResult> CreateBreaker() => new ResiliencePipelineBuilder<RedisResult>()
        .AddCircuitBreaker(new CircuitBreakerStrategyOptions<RedisResult>
        {
            ShouldHandle = static arguments => ValueTask.FromResult(RedisErrors.IsOutage(arguments.Outcome.Exception)),
            // A Redis that cannot be reached fails every call. A few timeouts among many calls mean a busy CPU, which a
            // closed waiting room would not help.
            FailureRatio = 0.8,
            MinimumThroughput = 4, // requests share calls, so that a Redis that hangs fails four calls a second
            SamplingDuration = TimeSpan.FromSeconds(2),
            BreakDuration = TimeSpan.FromSeconds(1),
        })
        .Build();

    /// <summary>Subscribes to a channel until cancelled, also after the connection was lost or replaced.</summary>
    public Task SubscribeAsync(string channel, Action<string> onMessage, CancellationToken cancellationToken) =>
        _connection.SubscribeAsync(channel, onMessage, cancellationToken);

    /// <summary>Runs one script.</summary>
    /// <param name="script">All of its keys are among <paramref name="keys"/>, or begin with one of them.</param>
    /// <param name="keys">Without the prefix, all in one slot.</param>
    /// <param name="arguments">The script's own.</param>
    /// <exception cref="RedisUnavailableException">No answer within 250 ms, no connection, or the circuit is open.</exception>
    public async Task<RedisResult> EvalAsync(RedisScript script, RedisKey[] keys, RedisValue[] arguments)
    {
        using var span = Activity.Current is null ? null : Instrumentation.Source.StartActivity(SpanName, ActivityKind.Client);
        var prefixed = _prefix.Length == 0 ? keys : Array.ConvertAll(keys, key => key.Prepend(_prefix));
        try
        {
            return await Breaker(prefixed[0]).ExecuteAsync(
                static async (call, token) =>
                {
                    var redis = (await call.Current.WaitAsync(CallTimeout, token)).GetDatabase();
                    var hash = call.Script.Hash ??= await HashAsync(redis, call.Script.Text, call.Keys[0]).WaitAsync(CallTimeout, token);
                    try
                    {
                        return await redis.ScriptEvaluateAsync(hash, call.Keys, call.Arguments).WaitAsync(CallTimeout, token);
                    }
                    catch (RedisServerException exception) when (exception.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
                    {
                        // The script is not cached: its first call, or Redis was restarted.
                        return await redis.ScriptEvaluateAsync(call.Script.Text, call.Keys, call.Arguments).WaitAsync(CallTimeout, token);
                    }
                },
                (_connection.Current, Script: script, Keys: prefixed, Arguments: arguments));
        }
        catch (Exception exception) when (RedisErrors.IsOutage(exception) || exception is BrokenCircuitException)
        {
            span?.SetStatus(ActivityStatusCode.Error);
            throw new RedisUnavailableException(exception);
        }
    }

    private ResiliencePipeline<RedisResult> Breaker(RedisKey key)
    {
        var slot = _connection is { IsCluster: true, Current: { IsCompletedSuccessfully: true } made } ? made.Result.HashSlot(key) : NoSlot;
        return _breakers.GetOrAdd(slot, static _ => CreateBreaker());
    }

    /// <summary>Computed by the server that will run the script: another of the cluster may hang.</summary>
    private static async Task<byte[]> HashAsync(IDatabase redis, string script, RedisKey key) =>
        Convert.FromHexString((string)(await redis.ScriptEvaluateAsync("return redis.sha1hex(ARGV[1])", [key], [script]))!);

    /// <summary>
    /// Tries a write, bypassing the breaker, so that the health check sees recovery first; its result decides whether to
    /// reconnect.
    /// </summary>
    /// <returns>What is wrong, if anything is.</returns>
    public Task<string?> ProbeAsync(CancellationToken cancellationToken) => _connection.ProbeAsync(cancellationToken);

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
