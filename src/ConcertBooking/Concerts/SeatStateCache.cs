using System.Collections.Concurrent;

namespace ConcertBooking.Concerts;

/// <summary>
/// The seats of the schedules that somebody asks for: the list and the streams of this instance, which share what MySQL is asked.
/// </summary>
internal sealed class SeatStateCache(MySqlDatabase database, TimeProvider time)
{
    /// <summary>
    /// Short, since the list's answer is kept for half a second more, and streams ask every 0.6 s; together no change may take
    /// a second to show.
    /// </summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromMilliseconds(200);

    /// <summary>When there are as many schedules, those whose time is over are dropped; each has 100 KB at most.</summary>
    private const int ManySchedules = 100;

    private readonly ConcurrentDictionary<long, Entry> _entries = new();

    private sealed class Entry(long createdAt, Func<Task<SeatStates?>> read)
    {
        private readonly Lazy<Task<SeatStates?>> _states = new(read);

        public long CreatedAt => createdAt;

        public Task<SeatStates?> States => _states.Value;

        /// <summary>Null until they are read.</summary>
        public SeatStates? Known => _states is { IsValueCreated: true, Value: { IsCompletedSuccessfully: true } read } ? read.Result : null;
    }

    /// <returns>Null when there is no such schedule.</returns>
    /// <exception cref="DatabaseUnavailableException">MySQL did not answer.</exception>
    public Task<SeatStates?> GetAsync(long scheduleId)
    {
        var now = time.GetTimestamp();
        if (_entries.TryGetValue(scheduleId, out var entry) && time.GetElapsedTime(entry.CreatedAt, now) < Lifetime)
        {
            return entry.States;
        }

        DropExpired(entry is null, now);
        var before = entry?.Known;
        var created = new Entry(now, () => database.ReadAsync(
            (connection, cancellationToken) => SeatStates.ReadAsync(connection, scheduleId, before, cancellationToken),
            CancellationToken.None));
        var winner = entry is null ? _entries.GetOrAdd(scheduleId, created)
            : _entries.TryUpdate(scheduleId, created, entry) ? created
            : _entries.GetOrAdd(scheduleId, created);
        return winner == created ? ReadAsync(scheduleId, created) : winner.States;
    }

    /// <summary>Keeps no failure, and nothing of a schedule that does not exist.</summary>
    private async Task<SeatStates?> ReadAsync(long scheduleId, Entry entry)
    {
        SeatStates? states = null;
        try
        {
            return states = await entry.States;
        }
        finally
        {
            if (states is null)
            {
                _entries.TryRemove(new(scheduleId, entry));
            }
        }
    }

    private void DropExpired(bool isNew, long now)
    {
        foreach (var (scheduleId, entry) in isNew && _entries.Count >= ManySchedules ? _entries.ToArray() : [])
        {
            if (time.GetElapsedTime(entry.CreatedAt, now) >= Lifetime)
            {
                _entries.TryRemove(new(scheduleId, entry));
            }
        }
    }
}
