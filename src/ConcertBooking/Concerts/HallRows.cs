using ConcertBooking.Bookings;
using MySqlConnector;

namespace ConcertBooking.Concerts;

/// <summary>The rows in which a schedule's seats lie side by side. A schedule without a hall is one row.</summary>
internal static class HallRows
{
    private const string SelectSql = $"""
        SELECT r.first_seat_no, r.seat_count, r.depth, r.section, r.grade, {Catalogue.SeatCountSql} AS schedule_seats
        FROM concert_schedule s LEFT JOIN hall_row r ON r.hall_id = s.hall_id
        WHERE s.schedule_id = @schedule ORDER BY r.first_seat_no
        """;

    /// <returns>
    /// In the order of their seat numbers, without seats that the schedule does not have; none when there is no such schedule.
    /// </returns>
    public static async Task<IReadOnlyList<HallRow>> ReadAsync(
        MySqlConnection connection, long scheduleId, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(SelectSql, connection);
        command.Parameters.AddWithValue("@schedule", scheduleId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<HallRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var seats = reader.GetInt32(5);
            var row = reader.IsDBNull(0)
                ? new HallRow(1, seats, Depth: 0)
                : new HallRow(reader.GetInt32(0), reader.GetInt32(1), reader.GetInt32(2), reader.GetString(3), reader.GetString(4));
            if (Math.Min(row.SeatCount, seats - row.FirstSeatNo + 1) is > 0 and var count)
            {
                rows.Add(row with { SeatCount = count });
            }
        }

        return rows;
    }
}
