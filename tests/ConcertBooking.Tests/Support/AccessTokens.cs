using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// A signer of JWTs that also signs what no issuer would: header and claims are the raw JSON.
/// </summary>
public static class AccessTokens
{
    public const string Hs256 = """{"alg":"HS256","typ":"JWT"}""";

    /// <summary>A good token of that user.</summary>
    public static string For(string key, long userId, bool admin = false) => For(key, userId, admin ? "admin" : null);

    /// <summary>A good token of that user, with a role.</summary>
    public static string For(string key, long userId, string? role) =>
        Sign(key, Hs256, $$"""{"sub":"{{userId}}","exp":{{InSeconds(3600)}}{{(role is null ? "" : $""","role":"{role}" """)}}}""");

    public static string Sign(string key, string header, string claims)
    {
        var signed = $"{Encode(header)}.{Encode(claims)}";
        var signature = HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(signed));
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    /// <summary>Without a signature, as <c>alg: none</c> has it.</summary>
    public static string WithoutSignature(string header, string claims) => $"{Encode(header)}.{Encode(claims)}.";

    /// <summary>A moment as JWTs tell it.</summary>
    public static long InSeconds(int seconds) => TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + seconds;

    private static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
}

/// <summary>User ids that no other test has.</summary>
public static class UserIds
{
    private static long _last = Random.Shared.NextInt64(1_000_000, 1_000_000_000_000);

    public static long Next() => Interlocked.Increment(ref _last);
}
