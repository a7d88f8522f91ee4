namespace ConcertBooking.Bookings;

/// <summary>
/// Statements that the procedures of bookings share. All find the seats of a booking by reservation_booking, and change these before
/// the seat rows and the booking: with another index first, the same rows in another order, they would deadlock.
/// </summary>
internal static class BookingSql
{
    /// <summary>
    /// Makes a reservation that an instance of the build before wrote a booking of one, which has its id: for the reservation whose
    /// id is @booking, if it has no booking yet; else one plain read. Second in a transaction, after the user's row.
    /// </summary>
    public const string Adopt = """
        BEGIN
          DECLARE @orphans INT DEFAULT 0;
          SELECT COUNT(*) INTO @orphans FROM reservation WHERE reservation_id = @booking AND booking_id IS NULL;
          IF @orphans > 0 THEN
            INSERT IGNORE INTO booking (booking_id, user_id, schedule_id, status, held_expires_at, created_at)
              SELECT reservation_id, user_id, schedule_id, status, held_expires_at, created_at
              FROM reservation WHERE reservation_id = @booking;
            UPDATE reservation SET booking_id = reservation_id WHERE reservation_id = @booking AND booking_id IS NULL;
          END IF;
        END;

        """;

    /// <summary>
    /// The status of <c>booking b</c>, which follows from those of its seats, for operators who read the table; answers derive it.
    /// </summary>
    public const string StatusSql = """
        COALESCE(
            (SELECT CASE WHEN SUM(r.status = 'CONFIRMED') > 0 THEN 'CONFIRMED' WHEN SUM(r.status = 'HELD') > 0 THEN 'HELD'
                         WHEN SUM(r.status = 'EXPIRED') > 0 THEN 'EXPIRED' ELSE 'RELEASED' END
             FROM reservation r FORCE INDEX (reservation_booking) WHERE r.booking_id = b.booking_id), b.status)
        """;

    /// <summary>Writes the status of @booking.</summary>
    public const string Settle = "UPDATE booking b SET b.status = " + StatusSql + " WHERE b.booking_id = @booking;\n";
}
