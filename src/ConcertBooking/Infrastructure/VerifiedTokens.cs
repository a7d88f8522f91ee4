using System.Collections.Concurrent;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// Access tokens that were verified lately. A client sends the same one with every call; after the first a look-up
/// answers instead of a signature. Only for our own keys: an issuer may withdraw one.
/// </summary>
internal sealed class VerifiedTokens(TimeProvider time, TimeSpan clockSkew)
{
    private const int Maximum = 10_000;

    private readonly ConcurrentDictionary<string, Verified> _known = new(StringComparer.Ordinal);

    private sealed record Verified(User User, DateTime ValidTo);

    public User? Find(ReadOnlySpan<char> token) =>
        _known.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(token, out var verified)
            && time.GetUtcNow().UtcDateTime - clockSkew < verified.ValidTo ? verified.User : null;

    public void Add(string token, User user, DateTime validTo)
    {
        if (_known.Count >= Maximum)
        {
            _known.Clear();
        }

        _known[token] = new Verified(user, validTo);
    }
}
