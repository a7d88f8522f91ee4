using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace ConcertBooking.Http.Auth;

/// <summary>
/// Cache of verified access tokens. A client sends the same one with every request; after the first a lookup replaces the
/// signature check. Tokens are stored as hashes, so that entries have a fixed size: 10,000 of them take about 2 MB.
/// </summary>
internal sealed class VerifiedTokens(TimeProvider time, TimeSpan clockSkew)
{
    private const int Maximum = 10_000;

    private readonly ConcurrentDictionary<TokenHash, Verified> _known = new();

    /// <summary>About the number of those known: a dictionary's own count takes each of its many locks.</summary>
    private int _count;

    private readonly record struct TokenHash(UInt128 First, UInt128 Second);

    private sealed record Verified(User User, DateTime ValidTo);

    public User? Find(ReadOnlySpan<char> token) =>
        _known.TryGetValue(Hash(token), out var verified) && time.GetUtcNow().UtcDateTime - clockSkew < verified.ValidTo
            ? verified.User
            : null;

    public void Add(ReadOnlySpan<char> token, User user, DateTime validTo)
    {
        if (_known.TryAdd(Hash(token), new Verified(user, validTo)) && Interlocked.Increment(ref _count) >= Maximum)
        {
            Volatile.Write(ref _count, 0);
            _known.Clear();
        }
    }

    private static TokenHash Hash(ReadOnlySpan<char> token)
    {
        Span<UInt128> hash = stackalloc UInt128[2];
        SHA256.HashData(MemoryMarshal.AsBytes(token), MemoryMarshal.AsBytes(hash));
        return new TokenHash(hash[0], hash[1]);
    }
}
