using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace ConcertBooking.Http.Caching;

/// <summary>Sends a cached response: 304 if the client's ETag matches, compressed if the client accepts it.</summary>
internal sealed record CachedResult(CachedResponse Response, bool IsHit) : IResult
{
    private const int ChunkBytes = 32 * 1024;

    public async Task ExecuteAsync(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers["Cache-Status"] = IsHit ? "concert-booking; hit" : "concert-booking; fwd=miss; stored";
        if (Response.Problem is { } problem)
        {
            await problem.ExecuteAsync(context);
            return;
        }

        headers.ETag = Response.ETag;
        headers.CacheControl = "no-cache"; // clients may store it, but revalidate: seats change
        headers.Append("Vary", "Accept-Encoding");
        if (Matches(context.Request.Headers.IfNoneMatch))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        var body = Response.Bytes;
        if (Response.IsCompressible)
        {
            var accepted = context.Request.Headers.AcceptEncoding.ToString();
            if (Accepts(accepted, "br"))
            {
                headers.ContentEncoding = "br";
                body = Response.Brotli;
            }
            else if (Accepts(accepted, "gzip"))
            {
                headers.ContentEncoding = "gzip";
                body = Response.Gzip;
            }
        }

        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = body.Length;

        // In chunks, each after the one before was sent: a slow client makes Kestrel buffer a chunk, not a copy of the body.
        for (var sent = 0; sent < body.Length; sent += ChunkBytes)
        {
            await context.Response.Body.WriteAsync(body.AsMemory(sent, Math.Min(ChunkBytes, body.Length - sent)), context.RequestAborted);
        }
    }

    private bool Matches(StringValues ifNoneMatch)
    {
        foreach (var header in ifNoneMatch)
        {
            if (header is "*" || header == Response.ETag
                || (header is not null && header.Contains(Response.ETag.AsSpan(2).ToString(), StringComparison.Ordinal)))
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
