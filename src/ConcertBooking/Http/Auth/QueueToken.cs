using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace ConcertBooking.Http.Auth;

/// <summary>
/// The content of a queue token. Times are by the clock of Redis: <paramref name="IssuedAt"/> in µs since 1970,
/// <paramref name="AdmittedUntil"/> in ms since 1970 and 0 while waiting. A token of an admitted user is a pass: it carries
/// its end, so that hold and pay go on while Redis is down.
/// </summary>
internal readonly record struct QueueToken(long UserId, string Queue, long Ticket, long IssuedAt, long AdmittedUntil);

/// <summary>Signs and reads queue tokens: base64url of version, four numbers, the queue's name and an HMAC-SHA256.</summary>
internal sealed class QueueTokens(Settings settings)
{
    private const byte Version = 1;
    private const int Fixed = 1 + (4 * sizeof(long));
    /// <summary>The length of a queue's name, in characters.</summary>
    public const int MaximumQueueName = 64;

    private const int MaximumLength = Fixed + MaximumQueueName + HMACSHA256.HashSizeInBytes;

    private readonly byte[] _key = settings.QueueTokenSigningKey;
    private readonly byte[]? _previousKey = settings.Security.QueueTokenPreviousSigningKey;

    public string Sign(in QueueToken token)
    {
        Span<byte> bytes = stackalloc byte[MaximumLength];
        bytes[0] = Version;
        BinaryPrimitives.WriteInt64BigEndian(bytes[1..], token.UserId);
        BinaryPrimitives.WriteInt64BigEndian(bytes[9..], token.Ticket);
        BinaryPrimitives.WriteInt64BigEndian(bytes[17..], token.IssuedAt);
        BinaryPrimitives.WriteInt64BigEndian(bytes[25..], token.AdmittedUntil);
        var signed = Fixed + Encoding.ASCII.GetBytes(token.Queue, bytes[Fixed..]);
        HMACSHA256.HashData(_key, bytes[..signed], bytes[signed..]);
        return Base64Url.EncodeToString(bytes[..(signed + HMACSHA256.HashSizeInBytes)]);
    }

    public bool TryRead(string text, out QueueToken token)
    {
        token = default;
        Span<byte> bytes = stackalloc byte[MaximumLength];
        if (!Base64UrlText.TryDecode(text, bytes, out var length))
        {
            return false;
        }

        var signed = length - HMACSHA256.HashSizeInBytes;
        if (signed <= Fixed || bytes[0] != Version)
        {
            return false;
        }

        if (!IsSignature(_key, bytes[..signed], bytes[signed..length])
            && (_previousKey is null || !IsSignature(_previousKey, bytes[..signed], bytes[signed..length])))
        {
            return false;
        }

        token = new QueueToken(
            BinaryPrimitives.ReadInt64BigEndian(bytes[1..]),
            Encoding.ASCII.GetString(bytes[Fixed..signed]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[9..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[17..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[25..]));
        return true;
    }

    private static bool IsSignature(byte[] key, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> signature)
    {
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, bytes, expected);
        return CryptographicOperations.FixedTimeEquals(expected, signature);
    }

    /// <summary>The token of the <c>Queue-Token</c> header, verified once for a request, or the problem with it.</summary>
    public Problem? Read(HttpContext context, out QueueToken token)
    {
        if (context.Features.Get<QueueCaller>() is { } known)
        {
            token = known.Token;
            return null;
        }

        token = default;
        var header = context.Request.Headers["Queue-Token"];
        if (header.Count == 0 || string.IsNullOrEmpty(header[0]))
        {
            return Problems.QueueTokenMissing;
        }

        if (header.Count > 1 || !TryRead(header[0]!, out token))
        {
            return Problems.QueueTokenInvalid;
        }

        context.Features.Set(new QueueCaller(token));
        return null;
    }
}
