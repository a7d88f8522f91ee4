namespace ConcertBooking.Tests.Support;

/// <summary>Seats sold by SQL, where thousands of purchases would take minutes.</summary>
internal static class SoldSeats
{
    /// <param name="which">A condition on <c>seat_no</c>; seats that anybody has had are left out.</param>
    public static async Task SellByHandAsync(this Database database, Show show, string which)
    {
        await database.ExecuteAsync(
            $"""
            INSERT INTO reservation (reservation_id, booking_id, payment_id, user_id, schedule_id, seat_no, status, price, held_expires_at)
            SELECT id, id, id, 1, schedule_id, seat_no, 'CONFIRMED', 10, NOW(3)
            FROM (SELECT UNHEX(LEFT(SHA2(CONCAT(schedule_id, ' ', seat_no), 256), 32)) AS id, schedule_id, seat_no FROM seat
                  WHERE schedule_id = @schedule AND reservation_id IS NULL AND {which}) sold
            """,
            ("@schedule", show.ScheduleId));
        await database.ExecuteAsync(
            """
            UPDATE seat s JOIN reservation r ON r.schedule_id = s.schedule_id AND r.seat_no = s.seat_no AND r.live = 1
            SET s.reservation_id = r.reservation_id WHERE s.schedule_id = @schedule
            """,
            ("@schedule", show.ScheduleId));
    }
}
