using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Bookings;

/// <summary>
/// Releases of several bookings in one transaction, in statements for all of them. Only plain successes: a member of whose seats one
/// is locked, or none is held any more, is left out, and no row of it is touched.
/// </summary>
internal static class SharedReleaseSql
{
    /// <summary>A row for each seat that was released.</summary>
    public static readonly StoredProcedure Procedure = new("release_seats_shared", "@members JSON",
        """
        DECLARE @reserved, @seats, @won TEXT DEFAULT '';
        START TRANSACTION;

        """
        // Decides the race under the row locks of the reservations, and takes those of the seats as well, since the statements below
        // would wait for them.
        + $"""
        SELECT COALESCE(GROUP_CONCAT(w.n), '') INTO @reserved
          FROM {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Booking, SharedSql.Reservation)}
          STRAIGHT_JOIN reservation k FORCE INDEX (reservation_booking) ON k.booking_id = UNHEX(w.booking)
          WHERE k.user_id = w.user_id AND k.status = 'HELD' AND k.held_expires_at > NOW(3)
            AND (w.reservation IS NULL OR k.reservation_id = UNHEX(w.reservation)) {SharedSql.SkipLocked};
        SELECT COALESCE(GROUP_CONCAT(w.n), '') INTO @seats FROM (
            SELECT w.n, r.schedule_id, r.seat_no FROM {SharedSql.Members(SharedSql.N, SharedSql.Booking)}
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = UNHEX(w.booking) AND r.status = 'HELD'
            WHERE FIND_IN_SET(w.n, @reserved) ORDER BY r.schedule_id, r.seat_no LIMIT 1000) w
          STRAIGHT_JOIN seat k FORCE INDEX (PRIMARY) ON k.schedule_id = w.schedule_id AND k.seat_no = w.seat_no {SharedSql.SkipLocked};

        """
        // All seats that the booking holds must be locked here, also one that somebody is about to pay.
        + $"""
        SELECT COALESCE(GROUP_CONCAT(d.n), '') INTO @won FROM (
            SELECT w.n, COUNT(*) AS seats FROM {SharedSql.Members(SharedSql.N, SharedSql.Booking)}
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = UNHEX(w.booking) AND r.status = 'HELD'
            WHERE FIND_IN_SET(w.n, @reserved) GROUP BY w.n) d
          WHERE d.seats = {SharedSql.CountIn("@reserved", "d.n")} AND d.seats = {SharedSql.CountIn("@seats", "d.n")};
        IF @won = '' THEN
          ROLLBACK;
        ELSE
          UPDATE {SharedSql.Members(SharedSql.N, SharedSql.Booking, SharedSql.Event)}
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = UNHEX(w.booking)
            SET r.status = 'RELEASED', r.change_id = UNHEX(w.event) WHERE {SharedSql.Won} AND r.status = 'HELD';
          {BookingEvents.ForMembersSql(BookingEvents.Released, SharedSql.Won)}
          UPDATE {SharedSql.Members(SharedSql.N, SharedSql.Booking, SharedSql.Event)}
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking)
              ON r.booking_id = UNHEX(w.booking) AND r.change_id = UNHEX(w.event)
            STRAIGHT_JOIN seat t FORCE INDEX (PRIMARY)
              ON t.schedule_id = r.schedule_id AND t.seat_no = r.seat_no AND t.reservation_id = r.reservation_id
            SET t.reservation_id = NULL WHERE {SharedSql.Won};
          UPDATE {SharedSql.Members(SharedSql.N, SharedSql.Booking)}
            STRAIGHT_JOIN booking b FORCE INDEX (PRIMARY) ON b.booking_id = UNHEX(w.booking)
            SET b.status = {BookingSql.StatusSql} WHERE {SharedSql.Won};
          COMMIT;
        END IF;

        """
        // After COMMIT, a plain read.
        + $"""
        SELECT w.n, c.queue_name, r.schedule_id, r.seat_no
          FROM {SharedSql.Members(SharedSql.N, SharedSql.Booking, SharedSql.Event)}
          STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = UNHEX(w.booking) AND r.change_id = UNHEX(w.event)
          STRAIGHT_JOIN concert_schedule s ON s.schedule_id = r.schedule_id STRAIGHT_JOIN concert c ON c.concert_id = s.concert_id
          WHERE {SharedSql.Won};
        """);
}
