using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace ConcertBooking.Http.Caching;

/// <summary>
/// A cached response body with its ETag and its compressed forms, each made when first needed. A problem is cached too.
/// </summary>
internal sealed class CachedResponse
{
    private const int MinimumCompressedBytes = 1024;

    private readonly Lazy<string> _etag;
    private readonly Lazy<byte[]> _brotli;
    private readonly Lazy<byte[]> _gzip;

    private CachedResponse(byte[] bytes, Problem? problem)
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

    public bool IsCompressible => Bytes.Length > MinimumCompressedBytes;

    public byte[] Brotli => _brotli.Value;

    public byte[] Gzip => _gzip.Value;

    public long SizeBytes => Bytes.Length + Length(_brotli) + Length(_gzip);

    public static CachedResponse Of<T>(T value, JsonTypeInfo<T> type) => new(JsonSerializer.SerializeToUtf8Bytes(value, type), null);

    public static CachedResponse Of(byte[] json) => new(json, null);

    public static CachedResponse Of(Problem problem) => new([], problem);

    public bool HasSameBytes(CachedResponse other) =>
        ReferenceEquals(this, other) || (Problem == other.Problem && HasSameBytes(other.Bytes));

    public bool HasSameBytes(ReadOnlySpan<byte> json) => Bytes.AsSpan().SequenceEqual(json);

    private static int Length(Lazy<byte[]> form) => form.IsValueCreated ? form.Value.Length : 0;

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
