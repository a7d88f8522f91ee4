using System.Buffers.Binary;
using System.Buffers.Text;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using ConcertBooking.Queue.Room;

namespace ConcertBooking.Queue.Tokens;

/// <summary>
/// Proof of work for entering a queue, so that invented users cost their client computing time. Entering without an answer is
/// refused with a challenge in <c>Proof-Of-Work-Challenge</c>; the answer is <c>Proof-Of-Work: challenge:number</c> such that
/// the SHA-256 of the header's whole value starts with as many zero bits as the challenge requires (its first byte). A
/// challenge is signed and not stored: it is valid for one user and one queue, for two minutes, and Redis stores used ones.
/// </summary>
internal sealed class ProofOfWork(Settings settings, RedisClient redis, RedisClock clock)
{
    private const int LifetimeMilliseconds = 120_000;
    private const int Fixed = 1 + sizeof(long) + 16;
    private const int Signature = 16;
    private const int MaximumAnswer = 100;

    /// <summary>Derived keys: the signing key must not sign two kinds of data.</summary>
    private readonly byte[][] _keys = [.. new[] { settings.QueueTokenSigningKey, settings.Security.QueueTokenPreviousSigningKey }
        .OfType<byte[]>().Select(static key => HMACSHA256.HashData(key, "proof-of-work"u8))];

    /// <summary>SET NX: the first use of the challenge succeeds.</summary>
    private static readonly RedisScript UseScript = new("return redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) and 1 or 0");

    /// <returns>Null when the request may enter; else the refusal, with a challenge in the answer's headers.</returns>
    /// <exception cref="RedisUnavailableException">It is unknown whether the answer was used before; nobody can enter either.</exception>
    public async Task<Problem?> CheckAsync(HttpContext context, QueueSettings queue, long userId)
    {
        if (queue.ProofOfWorkBits == 0 || await IsDoneAsync(context.Request.Headers["Proof-Of-Work"], queue, userId))
        {
            return null;
        }

        context.Response.Headers["Proof-Of-Work-Challenge"] = Challenge(queue, userId);
        return Problems.ProofOfWorkNeeded;
    }

    private string Challenge(QueueSettings queue, long userId)
    {
        Span<byte> bytes = stackalloc byte[Fixed + Signature];
        bytes[0] = (byte)queue.ProofOfWorkBits;
        BinaryPrimitives.WriteInt64BigEndian(bytes[1..], clock.NowMilliseconds + LifetimeMilliseconds);
        RandomNumberGenerator.Fill(bytes[9..Fixed]);
        Sign(_keys[0], bytes[..Fixed], queue.Name, userId, bytes[Fixed..]);
        return Base64Url.EncodeToString(bytes);
    }

    private async Task<bool> IsDoneAsync(Microsoft.Extensions.Primitives.StringValues header, QueueSettings queue, long userId)
    {
        if (header.Count != 1 || header[0] is not { Length: <= MaximumAnswer } answer
            || !IsValid(answer, queue, userId, out var end, out var nonce))
        {
            return false;
        }

        var left = end - clock.NowMilliseconds;
        return left > 0 && (int)await redis.EvalAsync(UseScript, [$"{{q:{queue.Name}}}:proof:{nonce}"], [left]) == 1;
    }

    private bool IsValid(string answer, QueueSettings queue, long userId, out long end, out string nonce)
    {
        (end, nonce) = (0, "");
        Span<byte> bytes = stackalloc byte[Fixed + Signature];
        var colon = answer.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || !Base64UrlText.TryDecode(answer[..colon], bytes, out var length) || length != bytes.Length
            || bytes[0] < queue.ProofOfWorkBits)
        {
            return false;
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(answer), hash);
        if (LeadingZeros(hash) < bytes[0] || !IsSigned(bytes, queue.Name, userId))
        {
            return false;
        }

        end = BinaryPrimitives.ReadInt64BigEndian(bytes[1..]);
        nonce = Convert.ToHexStringLower(bytes[9..Fixed]);
        return true;
    }

    private bool IsSigned(ReadOnlySpan<byte> bytes, string queue, long userId)
    {
        Span<byte> expected = stackalloc byte[Signature];
        foreach (var key in _keys)
        {
            Sign(key, bytes[..Fixed], queue, userId, expected);
            if (CryptographicOperations.FixedTimeEquals(expected, bytes[Fixed..]))
            {
                return true;
            }
        }

        return false;
    }

    private static void Sign(byte[] key, ReadOnlySpan<byte> challenge, string queue, long userId, Span<byte> signature)
    {
        byte[] signed = [.. challenge, .. Encoding.UTF8.GetBytes($"{userId}:{queue}")];
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, signed, hash);
        hash[..Signature].CopyTo(signature);
    }

    private static int LeadingZeros(ReadOnlySpan<byte> hash) => BinaryPrimitives.ReadUInt64BigEndian(hash) is var first and not 0
        ? BitOperations.LeadingZeroCount(first)
        : 64;
}
