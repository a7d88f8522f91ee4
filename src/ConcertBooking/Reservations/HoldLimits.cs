using System.Collections.Concurrent;

namespace ConcertBooking.Reservations;

/// <summary>
/// The users who, as far as this instance knows, hold as many seats as they may. They take no short lock of a seat: they
/// cannot win it, and others would be refused meanwhile. What is kept here may be out of date, since MySQL counts at every
/// hold: whoever could hold again after all only does without the lock.
/// </summary>
internal sealed class HoldLimits(Settings settings, TimeProvider time)
{
    private const int Maximum = 10_000;

    private readonly ConcurrentDictionary<long, DateTimeOffset> _until = new();

    public bool IsReached(long userId) => _until.TryGetValue(userId, out var until) && time.GetUtcNow() < until;

    /// <summary>Keeps what MySQL has counted.</summary>
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
