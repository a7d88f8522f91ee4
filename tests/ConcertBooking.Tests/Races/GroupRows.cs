using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Races;

/// <summary>A seat of a booking, as one SELECT found it.</summary>
/// <param name="BookingStatus">In the booking's own row.</param>
/// <param name="Amount">Of the booking's payment.</param>
internal sealed record GroupRow(
    Guid BookingId, long UserId, int SeatNo, string Status, long Price, string? BookingStatus, long? Amount)
{
    public bool IsLive => Status is "HELD" or "CONFIRMED";

    private const string Sql = """
        SELECT r.booking_id, r.user_id, r.seat_no, r.status, r.price, b.status, p.amount
        FROM reservation r LEFT JOIN booking b ON b.booking_id = r.booking_id LEFT JOIN payment p ON p.booking_id = r.booking_id
        WHERE r.schedule_id = @schedule
        """;

    /// <summary>All of a schedule at one moment: a statement reads one snapshot.</summary>
    public static async Task<List<GroupRow>> ReadAsync(Database database, Show show)
    {
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand(Sql, connection);
        command.Parameters.AddWithValue("@schedule", show.ScheduleId);
        await using var row = await command.ExecuteReaderAsync();
        var rows = new List<GroupRow>();
        while (await row.ReadAsync())
        {
            rows.Add(new GroupRow(
                row.GetGuid(0), row.GetInt64(1), row.GetInt32(2), row.GetString(3), row.GetInt64(4),
                row.IsDBNull(5) ? null : row.GetString(5), row.IsDBNull(6) ? null : row.GetInt64(6)));
        }

        return rows;
    }
}
