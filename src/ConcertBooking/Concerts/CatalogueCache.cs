using System.Collections.Concurrent;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Net.Http.Headers;

namespace ConcertBooking.Concerts;

/// <summary>
/// Catalogue answers as ready bytes, in this process. An entry lives half a second, so every change shows within the
/// promised second on every instance without a message between them; one rebuild serves all who ask meanwhile. An
/// answer that came out the same again is kept, with its validator and its compressed forms.
/// </summary>
internal sealed class CatalogueCache(TimeProvider time, Metrics metrics)
{
    private static readonly TimeSpan Life = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan EvictionInterval = TimeSpan.FromMilliseconds(250);
    private const int MaximumEntries = 10_000;

    /// <summary>What the answers may weigh together; a list of 100,000 seats is 4 MB.</summary>
    private const long MaximumBytes = 32 << 20;

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private long _tidied;

    /// <summary>An answer or one that is being made, and the result that every hit shares.</summary>
    private sealed class Entry
    {
        private readonly Lazy<Task<CachedAnswer>> _answer;
        private readonly Lazy<Task<IResult>> _hit;

        public Entry(long born, CachedAnswer? previous, Func<CachedAnswer?, Task<CachedAnswer>> build)
        {
            Born = born;
            _answer = new(() => BuildAsync(previous, build));
            _hit = new(async () => new CachedResult(await _answer.Value, Hit: true));
        }

        public long Born { get; }

        public Task<IResult> Hit => _hit.Value;
        public bool IsFaulted => _answer is { IsValueCreated: true, Value.IsFaulted: true };

        /// <summary>The answer when it is there.</summary>
        public CachedAnswer? Made => _answer is { IsValueCreated: true, Value: { IsCompletedSuccessfully: true } made } ? made.Result : null;

        public async Task<IResult> MissAsync() => new CachedResult(await _answer.Value, Hit: false);

        private static async Task<CachedAnswer> BuildAsync(CachedAnswer? previous, Func<CachedAnswer?, Task<CachedAnswer>> build)
        {
            var answer = await build(previous);
            return previous is not null && previous.HasSameBytes(answer) ? previous : answer;
        }
    }

    /// <summary>The answer kept under that key, or the one that <paramref name="build"/> makes now.</summary>
    public Task<IResult> GetAsync(string key, Func<Task<CachedAnswer>> build) => GetAsync(key, _ => build());

    /// <summary>The same for an answer that can be compared with the previous one before it is stored.</summary>
    public Task<IResult> GetAsync(string key, Func<CachedAnswer?, Task<CachedAnswer>> build)
    {
        var now = time.GetTimestamp();
        if (_entries.TryGetValue(key, out var entry) && time.GetElapsedTime(entry.Born, now) < Life && !entry.IsFaulted)
        {
            metrics.CacheRequest(NameOf(key), hit: true);
            return entry.Hit;
        }

        Evict(now);
        var mine = new Entry(now, entry?.Made, build);
        var winner = entry is null ? _entries.GetOrAdd(key, mine)
            : _entries.TryUpdate(key, mine, entry) ? mine
            : _entries.GetOrAdd(key, mine);
        metrics.CacheRequest(NameOf(key), hit: winner != mine);
        return winner == mine ? mine.MissAsync() : winner.Hit;
    }

    /// <summary>Lets go of what is past its life when all of it weighs too much, and of everything when that is not enough.</summary>
    private void Evict(long now)
    {
        var last = Interlocked.Read(ref _tidied);
        if (time.GetElapsedTime(last, now) < EvictionInterval || Interlocked.CompareExchange(ref _tidied, now, last) != last)
        {
            return;
        }

        if (IsFull())
        {
            foreach (var (key, entry) in _entries)
            {
                if (time.GetElapsedTime(entry.Born, now) >= Life)
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
            bytes += entry.Made?.SizeBytes ?? 0;
        }

        return count > MaximumEntries || bytes > MaximumBytes;
    }

    /// <summary>Of <c>seats/17</c>: <c>seats</c>.</summary>
    private static string NameOf(string key) => key[..key.IndexOf('/')];
}

/// <summary>Bytes, their validator, and their compressed forms, made when first asked for. A problem is kept too.</summary>
internal sealed class CachedAnswer
{
    private const int CompressFrom = 1024;

    private readonly Lazy<string> _etag;
    private readonly Lazy<byte[]> _brotli;
    private readonly Lazy<byte[]> _gzip;

    private CachedAnswer(byte[] bytes, Problem? problem)
    {
        Bytes = bytes;
        Problem = problem;
        _etag = new Lazy<string>(() => $"W/\"{Convert.ToHexStringLower(SHA256.HashData(Bytes).AsSpan(0, 12))}\"");
        _brotli = new Lazy<byte[]>(() => Compress(static stream => new BrotliStream(stream, CompressionLevel.Fastest)));
        _gzip = new Lazy<byte[]>(() => Compress(static stream => new GZipStream(stream, CompressionLevel.Fastest)));
    }

    public byte[] Bytes { get; }
    public Problem? Problem { get; }

    /// <summary>Weak, because the compressed forms share it.</summary>
    public string ETag => _etag.Value;

    public bool Compressible => Bytes.Length > CompressFrom;
    public byte[] Brotli => _brotli.Value;
    public byte[] Gzip => _gzip.Value;

    public long SizeBytes => Bytes.Length + Length(_brotli) + Length(_gzip);

    private static int Length(Lazy<byte[]> form) => form.IsValueCreated ? form.Value.Length : 0;

    public static CachedAnswer Of<T>(T value, JsonTypeInfo<T> type) => new(JsonSerializer.SerializeToUtf8Bytes(value, type), null);

    public static CachedAnswer Of(byte[] json) => new(json, null);

    public static CachedAnswer Of(Problem problem) => new([], problem);

    public bool HasSameBytes(CachedAnswer other) => ReferenceEquals(this, other) || (Problem == other.Problem && HasSameBytes(other.Bytes));

    public bool HasSameBytes(ReadOnlySpan<byte> json) => Bytes.AsSpan().SequenceEqual(json);

    private byte[] Compress(Func<Stream, Stream> compressor)
    {
        using var target = new MemoryStream();
        using (var stream = compressor(target))
        {
            stream.Write(Bytes);
        }

        return target.ToArray();
    }
}

/// <summary>Sends a cached answer: 304 when the client has it, compressed when it can read that.</summary>
internal sealed record CachedResult(CachedAnswer Answer, bool Hit) : IResult
{
    private const int PieceBytes = 32 * 1024;

    public async Task ExecuteAsync(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers["Cache-Status"] = Hit ? "concert-booking; hit" : "concert-booking; fwd=miss; stored";
        if (Answer.Problem is { } problem)
        {
            await problem.ExecuteAsync(context);
            return;
        }

        headers.ETag = Answer.ETag;
        headers.CacheControl = "no-cache"; // keep it, but ask each time: seats change
        headers.Append("Vary", "Accept-Encoding");
        if (Matches(context.Request.Headers.IfNoneMatch))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        var body = Answer.Bytes;
        if (Answer.Compressible)
        {
            var accepted = context.Request.Headers.AcceptEncoding.ToString();
            if (Accepts(accepted, "br"))
            {
                headers.ContentEncoding = "br";
                body = Answer.Brotli;
            }
            else if (Accepts(accepted, "gzip"))
            {
                headers.ContentEncoding = "gzip";
                body = Answer.Gzip;
            }
        }

        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = body.Length;

        // Piece by piece, each when the one before is on its way: a client that reads slowly holds a piece, not a copy.
        for (var sent = 0; sent < body.Length; sent += PieceBytes)
        {
            await context.Response.Body.WriteAsync(body.AsMemory(sent, Math.Min(PieceBytes, body.Length - sent)), context.RequestAborted);
        }
    }

    private bool Matches(Microsoft.Extensions.Primitives.StringValues ifNoneMatch)
    {
        foreach (var header in ifNoneMatch)
        {
            if (header is "*" || header == Answer.ETag
                || (header is not null && header.Contains(Answer.ETag.AsSpan(2).ToString(), StringComparison.Ordinal)))
            {
                return true;
            }
        }

        return false;
    }

    private static bool Accepts(string accepted, string coding)
    {
        if (StringWithQualityHeaderValue.TryParseList([accepted], out var codings))
        {
            foreach (var item in codings)
            {
                if (item.Value.Equals(coding, StringComparison.OrdinalIgnoreCase))
                {
                    return item.Quality is not 0;
                }
            }
        }

        return false;
    }
}

internal static class CachedRoutes
{
    /// <summary>What every catalogue call says of itself.</summary>
    public static RouteHandlerBuilder Cached<T>(this RouteHandlerBuilder route) =>
        route.Produces<T>()
            .Produces(StatusCodes.Status304NotModified)
            .WithHeader("If-None-Match", "A validator that the client has; 304 when it still holds.")
            .WithHeader("ETag", "The validator of this answer.", status: 200)
            .WithHeader("Cache-Status", "RFC 9211: whether the answer came from memory.", status: 200)
            .WithProblems(Problems.TooManyRequests, Problems.DatabaseUnavailable);
}
