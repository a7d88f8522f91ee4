using System.Collections.Concurrent;

namespace ConcertBooking.Http.Caching;

/// <summary>
/// In-process response cache. An entry lives half a second, so that every change is visible within the promised second on
/// every instance without invalidation messages. Concurrent requests share one build (request coalescing). A build that
/// returns the same bytes keeps the previous response with its ETag and compressed forms.
/// </summary>
internal sealed class ResponseCache(TimeProvider time, Metrics metrics)
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan EvictionInterval = TimeSpan.FromMilliseconds(250);
    private const int MaximumEntries = 10_000;

    /// <summary>The limit of all responses together; a list of 100,000 seats has 4 MB.</summary>
    private const long MaximumBytes = 32 << 20;

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private long _evictedAt;

    /// <summary>A response that is built or being built, and the result that all hits share.</summary>
    private sealed class Entry
    {
        private readonly Lazy<Task<CachedResponse>> _response;
        private readonly Lazy<Task<IResult>> _hit;

        public Entry(long createdAt, CachedResponse? previous, Func<CachedResponse?, Task<CachedResponse>> build)
        {
            CreatedAt = createdAt;
            _response = new(() => BuildAsync(previous, build));
            _hit = new(async () => new CachedResult(await _response.Value, IsHit: true));
        }

        public long CreatedAt { get; }

        public Task<IResult> Hit => _hit.Value;

        public bool IsFaulted => _response is { IsValueCreated: true, Value.IsFaulted: true };

        /// <summary>Null until it is built.</summary>
        public CachedResponse? Response =>
            _response is { IsValueCreated: true, Value: { IsCompletedSuccessfully: true } built } ? built.Result : null;

        public async Task<IResult> MissAsync() => new CachedResult(await _response.Value, IsHit: false);

        private static async Task<CachedResponse> BuildAsync(CachedResponse? previous, Func<CachedResponse?, Task<CachedResponse>> build)
        {
            var response = await build(previous);
            return previous is not null && previous.HasSameBytes(response) ? previous : response;
        }
    }

    /// <summary>Returns the response cached under the key (<c>name/parameters</c>), or builds it.</summary>
    public Task<IResult> GetAsync(string key, Func<Task<CachedResponse>> build) => GetAsync(key, _ => build());

    /// <summary>The same, for a build that compares its result with the previous response.</summary>
    public Task<IResult> GetAsync(string key, Func<CachedResponse?, Task<CachedResponse>> build)
    {
        var now = time.GetTimestamp();
        if (_entries.TryGetValue(key, out var entry) && time.GetElapsedTime(entry.CreatedAt, now) < Lifetime && !entry.IsFaulted)
        {
            metrics.CacheRequest(NameOf(key), hit: true);
            return entry.Hit;
        }

        Evict(now);
        var created = new Entry(now, entry?.Response, build);
        var winner = entry is null ? _entries.GetOrAdd(key, created)
            : _entries.TryUpdate(key, created, entry) ? created
            : _entries.GetOrAdd(key, created);
        metrics.CacheRequest(NameOf(key), hit: winner != created);
        return winner == created ? created.MissAsync() : winner.Hit;
    }

    /// <summary>Evicts expired entries when the cache is full, and all entries if it is still full then.</summary>
    private void Evict(long now)
    {
        var last = Interlocked.Read(ref _evictedAt);
        if (time.GetElapsedTime(last, now) < EvictionInterval || Interlocked.CompareExchange(ref _evictedAt, now, last) != last)
        {
            return;
        }

        if (IsFull())
        {
            foreach (var (key, entry) in _entries)
            {
                if (time.GetElapsedTime(entry.CreatedAt, now) >= Lifetime)
                {
                    _entries.TryRemove(new(key, entry));
                }
            }

            if (IsFull())
            {
                _entries.Clear();
            }
        }
    }

    private bool IsFull()
    {
        long count = 0, bytes = 0;
        foreach (var (_, entry) in _entries)
        {
            count++;
            bytes += entry.Response?.SizeBytes ?? 0;
        }

        return count > MaximumEntries || bytes > MaximumBytes;
    }

    /// <summary>The metric's label: <c>seats</c> of <c>seats/17</c>.</summary>
    private static string NameOf(string key) => key[..key.IndexOf('/')];
}
