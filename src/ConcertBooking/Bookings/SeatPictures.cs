using System.Collections.Concurrent;
using System.Diagnostics;
using System.Numerics;
using ConcertBooking.Concerts;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>What a search needs to know of a schedule beside its free seats.</summary>
/// <param name="Rows">The front ones first, as the search needs them.</param>
internal sealed record SchedulePlan(int SeatCount, string Queue, SaleState Sale, IReadOnlyList<HallRow> Rows);

/// <summary>
/// The pictures of the schedules that best available seats were asked for of late. One load of a schedule is under way at a time,
/// and serves all requests that came before it began.
/// </summary>
internal sealed class SeatPictures(MySqlDatabase database, TimeProvider time)
{
    /// <summary>When there are as many, those that were not used for a minute are dropped.</summary>
    private const int ManyPictures = 100;
    private static readonly TimeSpan Unused = TimeSpan.FromMinutes(1);

    /// <summary>
    /// A picture may be as old as this for each seat that a load reads, which takes MySQL a third of a microsecond: so loads take a
    /// tenth of the time at most, and a picture of a small hall is new for each request.
    /// </summary>
    private static readonly TimeSpan AgePerTakenSeat = TimeSpan.FromMicroseconds(5);
    private static readonly TimeSpan MaximumAge = TimeSpan.FromMilliseconds(500);

    /// <summary>Beyond it requests wait for a newer picture, as they do when it is four times as old as it may be.</summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<long, KeptPicture> _pictures = new();

    /// <summary>A picture with what keeps it up to date.</summary>
    internal sealed class KeptPicture(SeatPicture picture, RequestBatcher<bool, bool> loads)
    {
        private int _isRefreshing;

        public SeatPicture Picture => picture;

        public long UsedAt { get; set; }

        /// <summary>
        /// Loads the picture if it is older than it may be, or than that moment. Requests wait for the first only if it is far too old.
        /// </summary>
        /// <param name="since">A timestamp of <see cref="Stopwatch"/>; 0: whatever the age permits.</param>
        /// <exception cref="DatabaseUnavailableException">MySQL did not answer by the deadline.</exception>
        public async Task RefreshAsync(Deadline deadline, long since = 0)
        {
            var allowed = Least(picture.TakenSeats * AgePerTakenSeat, MaximumAge);
            var age = Stopwatch.GetElapsedTime(picture.ReportedAt);
            if (picture.ReportedAt != 0 && picture.ReportedAt < since && age < allowed)
            {
                await Task.Delay(allowed - age); // a crowd that is refused must not make loads follow each other at once
            }

            if (picture.ReportedAt == 0 || picture.ReportedAt < since || age > Least(4 * allowed, Lifetime))
            {
                await deadline.AwaitAsync(loads.EnqueueAsync(true));
            }
            else if (age > allowed && Interlocked.Exchange(ref _isRefreshing, 1) == 0)
            {
                _ = RefreshSoonAsync();
            }
        }

        private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

        private async Task RefreshSoonAsync()
        {
            await ((Task)loads.EnqueueAsync(true)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Volatile.Write(ref _isRefreshing, 0);
        }
    }

    public KeptPicture Of(long scheduleId)
    {
        var now = time.GetTimestamp();
        if (!_pictures.TryGetValue(scheduleId, out var found))
        {
            DropUnused(now);
            found = _pictures.GetOrAdd(scheduleId, Create);
        }

        found.UsedAt = now;
        return found;
    }

    private void DropUnused(long now)
    {
        foreach (var (scheduleId, kept) in _pictures.Count < ManyPictures ? [] : _pictures.ToArray())
        {
            if (time.GetElapsedTime(kept.UsedAt, now) > Unused)
            {
                _pictures.TryRemove(new(scheduleId, kept));
            }
        }
    }

    private KeptPicture Create(long scheduleId)
    {
        var picture = new SeatPicture();
        return new KeptPicture(picture, new RequestBatcher<bool, bool>(
            async requests =>
            {
                var exists = await database.ReadAsync(
                    (connection, cancellationToken) => LoadAsync(connection, scheduleId, picture, cancellationToken),
                    CancellationToken.None);
                if (!exists)
                {
                    _pictures.TryRemove(scheduleId, out _);
                }

                return [.. requests];
            },
            maximumBatchSize: int.MaxValue));
    }

    /// <returns>Whether there is such a schedule.</returns>
    private static async Task<bool> LoadAsync(
        MySqlConnection connection, long scheduleId, SeatPicture picture, CancellationToken cancellationToken)
    {
        var askedAt = Stopwatch.GetTimestamp();
        if (await ReadPlanAsync(connection, scheduleId, picture.Plan, cancellationToken) is not { } plan)
        {
            picture.Report(null, [], 0, askedAt);
            return false;
        }

        var isFree = new bool[plan.SeatCount];
        Array.Fill(isFree, true);
        await using var command = new MySqlCommand(TakenSql, connection);
        command.Parameters.AddWithValue("@schedule", scheduleId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var taken = 0;
        while (await reader.ReadAsync(cancellationToken))
        {
            taken += Take(isFree, 64 * reader.GetInt32(0), reader.GetUInt64(1));
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            if (reader.GetInt32(0) - 1 is >= 0 and var index && index < isFree.Length)
            {
                isFree[index] = true;
            }
        }

        picture.Report(plan, isFree, taken, askedAt);
        return true;
    }

    /// <returns>How many seats the bits stand for.</returns>
    private static int Take(bool[] isFree, int first, ulong bits)
    {
        var seats = BitOperations.PopCount(bits);
        for (; bits != 0; bits &= bits - 1)
        {
            if (first + BitOperations.TrailingZeroCount(bits) is var index && index < isFree.Length)
            {
                isFree[index] = false;
            }
        }

        return seats;
    }

    private static async Task<SchedulePlan?> ReadPlanAsync(
        MySqlConnection connection, long scheduleId, SchedulePlan? before, CancellationToken cancellationToken)
    {
        (int SeatCount, string Queue, SaleState Sale) read;
        await using (var command = new MySqlCommand(ScheduleSql, connection))
        {
            command.Parameters.AddWithValue("@schedule", scheduleId);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            if (!await reader.ReadAsync(cancellationToken))
            {
                return null;
            }

            read = (reader.GetInt32(0), reader.GetString(1), SaleState.Read(reader, 2));
        }

        var rows = before is not null && before.SeatCount == read.SeatCount
            ? before.Rows
            : [.. (await HallRows.ReadAsync(connection, scheduleId, cancellationToken)).OrderBy(static row => row.Depth)];
        return new(read.SeatCount, read.Queue, read.Sale, rows);
    }

    private const string ScheduleSql = $"""
        SELECT {Catalogue.SeatCountSql} AS seat_count, c.queue_name, {SaleState.Columns}
        FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id WHERE s.schedule_id = @schedule
        """;

    /// <summary>
    /// The seats with a live reservation, from an index alone and 64 in a row, which spares both sides most of the time; then those of
    /// them whose hold is over and not swept yet, which are free.
    /// </summary>
    private const string TakenSql = """
        SELECT (seat_no - 1) DIV 64 AS word, BIT_OR(1 << ((seat_no - 1) MOD 64)) AS seats FROM reservation
          WHERE schedule_id = @schedule AND live = 1 GROUP BY word;
        SELECT seat_no FROM reservation FORCE INDEX (reservation_due)
          WHERE schedule_id = @schedule AND status = 'HELD' AND held_expires_at <= NOW(3)
        """;
}
