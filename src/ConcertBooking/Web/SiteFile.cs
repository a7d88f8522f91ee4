using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace ConcertBooking.Web;

/// <summary>
/// A file of the pages, with its ETag and its compressed forms, each made when first asked for and then kept. As a result it
/// sends itself, or 304 when the client has it.
/// </summary>
internal sealed class SiteFile : IResult
{
    private readonly byte[] _bytes;
    private readonly string _contentType;
    private readonly StringValues _cacheControl;
    private readonly string _etag;
    private readonly Lazy<byte[]> _brotli;
    private readonly Lazy<byte[]> _gzip;

    /// <param name="name">Its ending gives the content type.</param>
    /// <param name="bytes">The content.</param>
    /// <param name="cacheControl">How long clients may keep it.</param>
    public SiteFile(string name, byte[] bytes, StringValues cacheControl)
    {
        (_bytes, _contentType, _cacheControl) = (bytes, ContentType(name), cacheControl);
        _etag = $"W/\"{Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 12))}\""; // weak: the compressed forms share it
        _brotli = new(() => Compress(static stream => new BrotliStream(stream, CompressionLevel.SmallestSize)));
        _gzip = new(() => Compress(static stream => new GZipStream(stream, CompressionLevel.SmallestSize)));
    }

    public async Task ExecuteAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers.ETag = _etag;
        response.Headers.CacheControl = _cacheControl;
        response.Headers.Append("Vary", "Accept-Encoding");
        if (request.Headers.IfNoneMatch.ToString().Contains(_etag.AsSpan(2).ToString(), StringComparison.Ordinal))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        var body = _bytes;
        var accepted = request.Headers.AcceptEncoding;
        if (Accepts(accepted, "br"))
        {
            (body, response.Headers.ContentEncoding) = (_brotli.Value, "br");
        }
        else if (Accepts(accepted, "gzip"))
        {
            (body, response.Headers.ContentEncoding) = (_gzip.Value, "gzip");
        }

        response.ContentType = _contentType;
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    private byte[] Compress(Func<Stream, Stream> compressor)
    {
        using var target = new MemoryStream();
        using (var stream = compressor(target))
        {
            stream.Write(_bytes);
        }

        return target.ToArray();
    }

    private static bool Accepts(StringValues accepted, string coding) =>
        StringWithQualityHeaderValue.TryParseList(accepted, out var codings)
        && codings.Any(item => item.Value.Equals(coding, StringComparison.OrdinalIgnoreCase) && item.Quality is not 0);

    private static string ContentType(string name) => Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        var other => throw new InvalidOperationException($"No content type is known for {other}."),
    };
}
