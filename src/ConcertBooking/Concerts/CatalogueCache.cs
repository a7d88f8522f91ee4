using System.Collections.Concurrent;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ConcertBooking.Infrastructure;
using Microsoft.Net.Http.Headers;

namespace ConcertBooking.Concerts;

/// <summary>
/// Catalogue answers as ready bytes, in this process. An entry lives half a second, so every change shows within the
/// promised second on every instance without a message between them; one rebuild serves all who ask meanwhile.
/// </summary>
internal sealed class CatalogueCache(TimeProvider time, Metrics metrics)
{
    private static readonly TimeSpan Life = TimeSpan.FromMilliseconds(500);
    private const int MaximumEntries = 10_000;

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    private sealed record Entry(long Born, Lazy<Task<CachedAnswer>> Answer);

    /// <summary>The answer kept under that key, or the one that <paramref name="build"/> makes now.</summary>
    public async Task<IResult> Get(string key, Func<Task<CachedAnswer>> build)
    {
        var now = time.GetTimestamp();
        if (_entries.TryGetValue(key, out var entry) && time.GetElapsedTime(entry.Born, now) < Life && !entry.Answer.Value.IsFaulted)
        {
            metrics.CacheRequest(NameOf(key), hit: true);
            return new CachedResult(await entry.Answer.Value, Hit: true);
        }

        if (_entries.Count > MaximumEntries)
        {
            _entries.Clear();
        }

        var mine = new Entry(now, new Lazy<Task<CachedAnswer>>(build));
        var winner = entry is null ? _entries.GetOrAdd(key, mine)
            : _entries.TryUpdate(key, mine, entry) ? mine
            : _entries.GetOrAdd(key, mine);
        metrics.CacheRequest(NameOf(key), hit: winner != mine);
        return new CachedResult(await winner.Answer.Value, Hit: winner != mine);
    }

    /// <summary>Of <c>seats/17</c>: <c>seats</c>.</summary>
    private static string NameOf(string key) => key[..key.IndexOf('/')];
}

/// <summary>Bytes, their validator, and their compressed forms, made when first asked for. A problem is kept too.</summary>
internal sealed class CachedAnswer
{
    private const int CompressFrom = 1024;

    private readonly Lazy<byte[]> _brotli;
    private readonly Lazy<byte[]> _gzip;

    private CachedAnswer(byte[] bytes, Problem? problem)
    {
        Bytes = bytes;
        Problem = problem;
        ETag = $"W/\"{Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 12))}\"";
        _brotli = new Lazy<byte[]>(() => Compress(static stream => new BrotliStream(stream, CompressionLevel.Fastest)));
        _gzip = new Lazy<byte[]>(() => Compress(static stream => new GZipStream(stream, CompressionLevel.Fastest)));
    }

    public byte[] Bytes { get; }
    public Problem? Problem { get; }

    /// <summary>Weak, because the compressed forms share it.</summary>
    public string ETag { get; }

    public bool Compressible => Bytes.Length > CompressFrom;
    public byte[] Brotli => _brotli.Value;
    public byte[] Gzip => _gzip.Value;

    public static CachedAnswer Of<T>(T value, JsonTypeInfo<T> type) => new(JsonSerializer.SerializeToUtf8Bytes(value, type), null);

    public static CachedAnswer Of(Problem problem) => new([], problem);

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
        headers.Vary = "Accept-Encoding";
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
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
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
            .WithProblems(Problems.DatabaseUnavailable);
}
