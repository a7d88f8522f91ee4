using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using StackExchange.Redis;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>The partition key of a rate limit: a user or a client address.</summary>
internal readonly record struct RateLimitKey(char Kind, UInt128 Id)
{
    public static RateLimitKey User(long userId) => new('u', (UInt128)userId);

    /// <summary>One address in IPv4; in IPv6 the /64 network, which a customer is assigned as a whole.</summary>
    public static RateLimitKey Address(IPAddress? address)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        if (address is { IsIPv4MappedToIPv6: false, AddressFamily: System.Net.Sockets.AddressFamily.InterNetworkV6 })
        {
            address.TryWriteBytes(bytes, out _);
            bytes[8..].Clear();
        }
        else
        {
            address?.MapToIPv4().TryWriteBytes(bytes[12..], out _);
        }

        return new('a', BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }
}

/// <summary>
/// Distributed rate limiter: a sliding window of ten seconds per user and per address, over all instances. An instance decides by
/// its own counts and the last known counts of the others; a few times a second it syncs the keys that come near a limit with
/// Redis, in the background, so that no request waits for it. Without Redis each instance counts for itself.
/// </summary>
internal sealed class DistributedRateLimiter(
    SecuritySettings settings, RedisClient redis, RedisClock clock, TimeProvider time, ILogger<DistributedRateLimiter> logger)
    : PeriodicService(TimeSpan.FromMilliseconds(250), time, logger)
{
    private const int WindowMilliseconds = 10_000;

    /// <summary>Users, and addresses, counted at once; beyond that, those with the fewest requests are evicted.</summary>
    private const int MaximumKeys = 50_000;

    /// <summary>Sync threshold: a key below this part of its limit is not synced.</summary>
    private const int SyncThresholdDivisor = 8;

    private const int BatchSize = 500;

    private sealed class RequestCount
    {
        public int Local;
        public int Synced;
        public int Remote;

        public int Total => Volatile.Read(ref Local) + Volatile.Read(ref Remote);
    }

    /// <summary>Users and addresses are counted apart, so that a flood of addresses evicts no user.</summary>
    private sealed class Window(long number)
    {
        private readonly KeyedCounts _users = new();
        private readonly KeyedCounts _addresses = new();

        public long Number => number;

        /// <summary>The keys that have reached their sync threshold, each once: most never do, so a sync does not visit them.</summary>
        public ConcurrentQueue<KeyValuePair<RateLimitKey, RequestCount>> NearLimit { get; } = [];

        public RequestCount GetOrAdd(RateLimitKey key) => CountsOf(key).GetOrAdd(key);

        public RequestCount? Find(RateLimitKey key) => CountsOf(key).Find(key);

        private KeyedCounts CountsOf(RateLimitKey key) => key.Kind == 'u' ? _users : _addresses;
    }

    private sealed class KeyedCounts
    {
        private readonly ConcurrentDictionary<RateLimitKey, RequestCount> _counts = new();
        private readonly Lock _evicting = new();
        private int _size;

        public RequestCount? Find(RateLimitKey key) => _counts.GetValueOrDefault(key);

        public RequestCount GetOrAdd(RateLimitKey key)
        {
            if (Find(key) is { } known)
            {
                return known;
            }

            var fresh = new RequestCount();
            var count = _counts.GetOrAdd(key, fresh);
            if (count == fresh && Interlocked.Increment(ref _size) > MaximumKeys)
            {
                Evict();
            }

            return count;
        }

        /// <summary>
        /// Evicts the half with the fewest requests. Those over a limit are in the other half, unless they are more than
        /// half.
        /// </summary>
        private void Evict()
        {
            lock (_evicting)
            {
                if (Volatile.Read(ref _size) <= MaximumKeys)
                {
                    return;
                }

                var leastActive = _counts.Select(static entry => (entry.Value.Total, entry.Key))
                    .OrderBy(static entry => entry.Total).Take(MaximumKeys / 2);
                foreach (var (_, key) in leastActive.ToList())
                {
                    if (_counts.TryRemove(key, out _))
                    {
                        Interlocked.Decrement(ref _size);
                    }
                }
            }
        }
    }

    private sealed record WindowPair(Window Current, Window Previous);

    private WindowPair _windows = new(new Window(0), new Window(-1));

    /// <returns>0 when the request is within the limit; else the seconds to wait.</returns>
    public int TryAcquire(RateLimitKey key)
    {
        var limit = Limit(key);
        if (limit == 0)
        {
            return 0;
        }

        var now = clock.NowMilliseconds;
        var (current, previous) = WindowsAt(now / WindowMilliseconds);
        var count = current.GetOrAdd(key);

        // Sliding window: the weight of the previous window shrinks while this one grows.
        var left = WindowMilliseconds - (int)(now % WindowMilliseconds);
        var before = previous.Find(key) is { } old ? (long)old.Total * left / WindowMilliseconds : 0;
        if (count.Total + before >= limit)
        {
            return 1 + (left / 1000);
        }

        if (Interlocked.Increment(ref count.Local) == SyncThreshold(limit))
        {
            current.NearLimit.Enqueue(new(key, count));
        }

        return 0;
    }

    /// <summary>At least 1.</summary>
    private static int SyncThreshold(int limit) => (limit + SyncThresholdDivisor - 1) / SyncThresholdDivisor;

    private int Limit(RateLimitKey key) => key.Kind == 'u' ? settings.RatePerUser : settings.RatePerAddress;

    /// <summary>The window of that number and the previous one. Counts are kept when the clock steps back a little.</summary>
    private WindowPair WindowsAt(long number)
    {
        var windows = Volatile.Read(ref _windows);
        while (number > windows.Current.Number || number < windows.Current.Number - 1)
        {
            var next = new WindowPair(new Window(number), number == windows.Current.Number + 1 ? windows.Current : new Window(number - 1));
            var found = Interlocked.CompareExchange(ref _windows, next, windows);
            windows = found == windows ? next : found;
        }

        return windows;
    }

    /// <summary>Adds to the total of each key and returns it. All keys share a hash slot, for a cluster.</summary>
    private static readonly RedisScript AddScript = new("""
        local totals = {}
        for i, key in ipairs(KEYS) do
          totals[i] = redis.call('INCRBY', key, ARGV[i + 1])
          redis.call('PEXPIRE', key, ARGV[1])
        end
        return totals
        """);

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        var window = Volatile.Read(ref _windows).Current;
        var unsynced = window.NearLimit.Where(static entry => entry.Value.Local > entry.Value.Synced);
        foreach (var batch in unsynced.Chunk(BatchSize))
        {
            var added = batch.Select(static entry => entry.Value.Local - entry.Value.Synced).ToArray();
            var keys = batch.Select(entry => (RedisKey)string.Create(
                CultureInfo.InvariantCulture, $"{{rate}}:{entry.Key.Kind}:{entry.Key.Id}:{window.Number}")).ToArray();
            var totals = (RedisResult[])(await redis.EvalAsync(
                AddScript, keys, [2 * WindowMilliseconds, .. added.Select(static number => (RedisValue)number)]))!;
            for (var index = 0; index < batch.Length; index++)
            {
                var count = batch[index].Value;
                count.Synced += added[index];
                Volatile.Write(ref count.Remote, (int)totals[index] - count.Synced);
            }
        }
    }
}

internal static class DistributedRateLimiterRoutes
{
    /// <summary>Limits requests per address, except on the management endpoints, before any other work.</summary>
    public static void UseAddressRateLimit(this WebApplication app)
    {
        var rateLimiter = app.Services.GetRequiredService<DistributedRateLimiter>();
        app.Use((context, next) =>
        {
            if (ServedOn.Of(context.GetEndpoint()).Management)
            {
                return next(context);
            }

            var wait = rateLimiter.TryAcquire(RateLimitKey.Address(context.Connection.RemoteIpAddress));
            return wait == 0 ? next(context) : (Problems.TooManyRequests with { RetryAfterSeconds = wait }).ExecuteAsync(context);
        });
    }
}
