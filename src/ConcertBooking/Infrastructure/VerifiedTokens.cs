using System.Collections.Concurrent;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// Access tokens that were verified lately, by the whole header. A client sends the same one with every call; after
/// the first a look-up answers instead of a signature. Only for our own keys: an issuer may withdraw one.
/// </summary>
internal sealed class VerifiedTokens(TimeProvider time)
{
    private const int Maximum = 10_000;

    private readonly ConcurrentDictionary<string, Verified> _known = new(StringComparer.Ordinal);

    private sealed record Verified(User User, DateTime End);

    public User? Find(string header) =>
        _known.TryGetValue(header, out var verified) && time.GetUtcNow().UtcDateTime < verified.End ? verified.User : null;

    /// <param name="end">When the token stops being good, the allowance for wrong clocks included.</param>
    public void Add(string header, User user, DateTime end)
    {
        if (_known.Count >= Maximum)
        {
            _known.Clear();
        }

        _known[header] = new Verified(user, end);
    }
}
