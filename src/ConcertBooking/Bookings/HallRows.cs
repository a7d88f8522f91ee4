using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>The rows of a schedule's seats.</summary>
internal static class HallRows
{
    /// <summary>A schedule with a bare number of seats is one section, one grade and one row.</summary>
    /// <param name="connection">To read them with.</param>
    /// <param name="scheduleId">Of the schedule.</param>
    /// <param name="seatCount">Its seats now: no row reaches beyond them.</param>
    public static Task<IReadOnlyList<HallRow>> LoadAsync(MySqlConnection connection, long scheduleId, int seatCount) =>
        Task.FromResult<IReadOnlyList<HallRow>>([new HallRow(FirstSeatNo: 1, seatCount, Depth: 0)]);
}
