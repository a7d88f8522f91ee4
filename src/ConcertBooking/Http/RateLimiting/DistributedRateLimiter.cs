using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using StackExchange.Redis;

namespace ConcertBooking.Http.RateLimiting;

/// <summary>Whom a count is of: a user, or a client's address.</summary>
internal readonly record struct RateLimitPartition(char Kind, UInt128 Id)
{
    public static RateLimitPartition User(long userId) => new('u', (UInt128)userId);

    /// <summary>One address in IPv4; in IPv6 the network of 64 bits that a customer gets as a whole.</summary>
    public static RateLimitPartition Address(IPAddress? address)
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
/// How much each user and each address may ask within ten seconds, over all instances. An instance decides by what
/// it has counted itself and what it last heard of the others; a few times a second it tells Redis of those who come
/// near a limit, in the background, so that no request waits for it. Without Redis each instance counts for itself.
/// </summary>
internal sealed class DistributedRateLimiter(
    SecuritySettings settings, RedisClient redis, RedisClock clock, TimeProvider time, ILogger<DistributedRateLimiter> logger)
    : PeriodicService(TimeSpan.FromMilliseconds(250), time, logger)
{
    private const int WindowMilliseconds = 10_000;

    /// <summary>Users, and addresses, counted at once; beyond them, those who asked least are forgotten.</summary>
    private const int MaximumCallers = 50_000;

    /// <summary>Whoever has used less than this part of a limit here is not worth a word to the others.</summary>
    private const int SyncThresholdDivisor = 8;

    private const int BatchSize = 500;

    private sealed class Count
    {
        public int Own;
        public int Sent;
        public int Others;

        public int Total => Volatile.Read(ref Own) + Volatile.Read(ref Others);
    }

    /// <summary>Users and addresses are counted apart, so that a flood of addresses makes no user forgotten.</summary>
    private sealed class Window(long number)
    {
        private readonly PartitionCounts _users = new();
        private readonly PartitionCounts _addresses = new();

        public long Number => number;

        public IEnumerable<KeyValuePair<RateLimitPartition, Count>> All => _users.All.Concat(_addresses.All);

        public Count Of(RateLimitPartition caller) => Kind(caller).Of(caller);

        public Count? Find(RateLimitPartition caller) => Kind(caller).Find(caller);

        private PartitionCounts Kind(RateLimitPartition caller) => caller.Kind == 'u' ? _users : _addresses;
    }

    private sealed class PartitionCounts
    {
        private readonly ConcurrentDictionary<RateLimitPartition, Count> _counts = new();
        private readonly Lock _trimming = new();
        private int _size;

        public IEnumerable<KeyValuePair<RateLimitPartition, Count>> All => _counts;

        public Count? Find(RateLimitPartition caller) => _counts.GetValueOrDefault(caller);

        public Count Of(RateLimitPartition caller)
        {
            if (Find(caller) is { } known)
            {
                return known;
            }

            var fresh = new Count();
            var count = _counts.GetOrAdd(caller, fresh);
            if (count == fresh && Interlocked.Increment(ref _size) > MaximumCallers)
            {
                Trim();
            }

            return count;
        }

        /// <summary>
        /// Forgets the half with the fewest requests. Those over a limit are in the other half, unless they are more than
        /// half.
        /// </summary>
        private void Trim()
        {
            lock (_trimming)
            {
                if (Volatile.Read(ref _size) <= MaximumCallers)
                {
                    return;
                }

                var quietest = _counts.Select(static entry => (entry.Value.Total, entry.Key))
                    .OrderBy(static entry => entry.Total).Take(MaximumCallers / 2);
                foreach (var (_, caller) in quietest.ToList())
                {
                    if (_counts.TryRemove(caller, out _))
                    {
                        Interlocked.Decrement(ref _size);
                    }
                }
            }
        }
    }

    private sealed record Pair(Window Current, Window Previous);

    private Pair _windows = new(new Window(0), new Window(-1));

    /// <returns>0 when the caller may go on; else the seconds to wait.</returns>
    public int TryAcquire(RateLimitPartition caller)
    {
        var limit = Limit(caller);
        if (limit == 0)
        {
            return 0;
        }

        var now = clock.NowMilliseconds;
        var (current, previous) = WindowsAt(now / WindowMilliseconds);
        var count = current.Of(caller);

        // What the last window still weighs shrinks while this one grows, so that its end is no new start.
        var left = WindowMilliseconds - (int)(now % WindowMilliseconds);
        var before = previous.Find(caller) is { } old ? (long)old.Total * left / WindowMilliseconds : 0;
        if (count.Total + before >= limit)
        {
            return 1 + (left / 1000);
        }

        Interlocked.Increment(ref count.Own);
        return 0;
    }

    private int Limit(RateLimitPartition caller) => caller.Kind == 'u' ? settings.RatePerUser : settings.RatePerAddress;

    /// <summary>The window of that number and the one before. The clock may step back a little; that is no reason to forget.</summary>
    private Pair WindowsAt(long number)
    {
        var windows = Volatile.Read(ref _windows);
        while (number > windows.Current.Number || number < windows.Current.Number - 1)
        {
            var next = new Pair(new Window(number), number == windows.Current.Number + 1 ? windows.Current : new Window(number - 1));
            var found = Interlocked.CompareExchange(ref _windows, next, windows);
            windows = found == windows ? next : found;
        }

        return windows;
    }

    /// <summary>Adds to each caller's sum and tells it. All keys share a slot, for the sake of a cluster.</summary>
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
        var news = window.All
            .Where(entry => entry.Value.Own > entry.Value.Sent && entry.Value.Own * SyncThresholdDivisor >= Limit(entry.Key));
        foreach (var batch in news.Chunk(BatchSize))
        {
            var added = batch.Select(static entry => entry.Value.Own - entry.Value.Sent).ToArray();
            var keys = batch.Select(entry => (RedisKey)string.Create(
                CultureInfo.InvariantCulture, $"{{rate}}:{entry.Key.Kind}:{entry.Key.Id}:{window.Number}")).ToArray();
            var totals = (RedisResult[])(await redis.EvalAsync(
                AddScript, keys, [2 * WindowMilliseconds, .. added.Select(static number => (RedisValue)number)]))!;
            for (var index = 0; index < batch.Length; index++)
            {
                var count = batch[index].Value;
                count.Sent += added[index];
                Volatile.Write(ref count.Others, (int)totals[index] - count.Sent);
            }
        }
    }
}

internal static class DistributedRateLimiterRoutes
{
    /// <summary>Counts what an address asks, what operators ask apart, before anything of it is worked on.</summary>
    public static void UseAddressRateLimit(this WebApplication app)
    {
        var rateLimiter = app.Services.GetRequiredService<DistributedRateLimiter>();
        app.Use((context, next) =>
        {
            if (ServedOn.Of(context.GetEndpoint()).Management)
            {
                return next(context);
            }

            var wait = rateLimiter.TryAcquire(RateLimitPartition.Address(context.Connection.RemoteIpAddress));
            return wait == 0 ? next(context) : (Problems.TooManyRequests with { RetryAfterSeconds = wait }).ExecuteAsync(context);
        });
    }
}
