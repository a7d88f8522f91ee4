using System.Collections.Concurrent;

namespace ConcertBooking.Reservations;

/// <summary>
/// A cache of the users who hold as many seats as they may. They do not take the short lock of a seat in Redis: they cannot
/// win the seat, and others would be refused meanwhile. An outdated entry does no harm: MySQL counts at every hold, and a
/// user who may hold again only goes without the lock.
/// </summary>
internal sealed class HoldLimits(Settings settings, TimeProvider time)
{
    private const int Maximum = 10_000;

    private readonly ConcurrentDictionary<long, DateTimeOffset> _until = new();

    public bool IsReached(long userId) => _until.TryGetValue(userId, out var until) && time.GetUtcNow() < until;

    /// <summary>Stores what MySQL has counted.</summary>
    public void Learn(long userId, bool isReached)
    {
        if (!isReached)
        {
            _until.TryRemove(userId, out _);
            return;
        }

        if (_until.Count >= Maximum)
        {
            _until.Clear();
        }

        _until[userId] = time.GetUtcNow() + settings.Hold;
    }
}
