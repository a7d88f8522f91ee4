using System.Collections.Concurrent;
using ConcertBooking.Bookings;

namespace ConcertBooking.Reservations;

/// <summary>
/// A cache of the users who hold as many seats as they may, or have as many of a schedule. They do not take the short lock of a
/// seat in Redis: they cannot win the seat, and others would be refused meanwhile. An outdated entry does no harm: MySQL counts
/// at every hold, and a user who may hold again only goes without the lock.
/// </summary>
internal sealed class HoldLimits(Settings settings, TimeProvider time)
{
    private const int Maximum = 10_000;

    /// <summary>For the holds of all schedules together.</summary>
    private const long AnySchedule = 0;

    private readonly ConcurrentDictionary<(long UserId, long ScheduleId), DateTimeOffset> _until = new();

    public bool IsReached(long userId, long scheduleId) =>
        IsReached((userId, AnySchedule)) || IsReached((userId, scheduleId));

    /// <summary>Stores what MySQL has counted.</summary>
    public void Learn(long userId, long scheduleId, SeatRow counted)
    {
        Learn((userId, AnySchedule), counted.HasAllHolds);
        Learn((userId, scheduleId), counted.HasAllPurchases);
    }

    private bool IsReached((long, long) key) => _until.TryGetValue(key, out var until) && time.GetUtcNow() < until;

    private void Learn((long, long) key, bool isReached)
    {
        if (!isReached)
        {
            _until.TryRemove(key, out _);
            return;
        }

        if (_until.Count >= Maximum)
        {
            _until.Clear();
        }

        _until[key] = time.GetUtcNow() + settings.Hold;
    }
}
