using ConcertBooking.Bookings;
using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Payments;

/// <summary>
/// Payments of several users in one transaction, in statements for all of them. Only plain successes: a member whose booking is not
/// held any more, or not paid for by the balance, or whose key has an answer, is left out, and no row of it is touched.
/// </summary>
internal static class SharedPaySql
{
    /// <summary>A row for each booking that was paid: its answer, and how many seats its user still holds.</summary>
    public static readonly StoredProcedure Procedure = new("pay_bookings_shared", "@members JSON",
        """
        DECLARE @seats, @won TEXT DEFAULT '';
        START TRANSACTION;

        """
        // Decides the race under the row locks of the user, which is first as in every transaction that touches points or holds, and of
        // the seats: the user's own, held, not overdue.
        + $"""
        SELECT COALESCE(GROUP_CONCAT(w.n), '') INTO @seats
          FROM {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Booking, SharedSql.Reservation)}
          STRAIGHT_JOIN user_point_balance u FORCE INDEX (PRIMARY) ON u.user_id = w.user_id
          STRAIGHT_JOIN reservation k FORCE INDEX (reservation_booking) ON k.booking_id = UNHEX(w.booking)
          WHERE k.user_id = w.user_id AND k.status = 'HELD' AND k.held_expires_at > NOW(3)
            AND (w.reservation IS NULL OR k.reservation_id = UNHEX(w.reservation)) {SharedSql.SkipBothLocked};

        """
        // All seats that the booking holds must be locked here, also one that somebody is about to release. The user's row is locked,
        // so the balance is what it is now, and a key without an answer stays so.
        + $"""
        SELECT COALESCE(GROUP_CONCAT(d.n), '') INTO @won FROM (
            SELECT w.n, w.user_id, COUNT(*) AS seats, SUM(r.price) AS total
            FROM {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Booking, SharedSql.Queue, SharedSql.Key)}
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = UNHEX(w.booking) AND r.status = 'HELD'
            STRAIGHT_JOIN concert_schedule s ON s.schedule_id = r.schedule_id STRAIGHT_JOIN concert c ON c.concert_id = s.concert_id
            WHERE FIND_IN_SET(w.n, @seats) AND c.queue_name = w.queue_name AND NOT EXISTS (SELECT 1 FROM idempotency i
              WHERE i.user_id = w.user_id AND i.call_name = 'pay' AND i.idempotency_key = {SharedSql.KeySql})
            GROUP BY w.n, w.user_id) d
          STRAIGHT_JOIN user_point_balance b FORCE INDEX (PRIMARY) ON b.user_id = d.user_id
          WHERE b.balance >= d.total AND d.seats = {SharedSql.CountIn("@seats", "d.n")};
        IF @won = '' THEN
          ROLLBACK;
        ELSE
          UPDATE {SharedSql.Members(SharedSql.N, SharedSql.Booking, SharedSql.Attempt)}
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = UNHEX(w.booking)
            SET r.status = 'CONFIRMED', r.change_id = UNHEX(w.attempt), r.payment_id = UNHEX(w.attempt)
            WHERE {SharedSql.Won} AND r.status = 'HELD';
          INSERT INTO payment (payment_id, booking_id, reservation_id, user_id, amount)
            SELECT UNHEX(w.attempt), UNHEX(w.booking), IF(COUNT(*) = 1, MIN(r.reservation_id), NULL), w.user_id, SUM(r.price)
            FROM {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Booking, SharedSql.Attempt)}
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking)
              ON r.booking_id = UNHEX(w.booking) AND r.change_id = UNHEX(w.attempt)
            WHERE {SharedSql.Won} GROUP BY w.n, w.attempt, w.booking, w.user_id;
          UPDATE {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Attempt)}
            STRAIGHT_JOIN payment p FORCE INDEX (PRIMARY) ON p.payment_id = UNHEX(w.attempt)
            STRAIGHT_JOIN user_point_balance b FORCE INDEX (PRIMARY) ON b.user_id = w.user_id
            SET b.balance = b.balance - p.amount WHERE {SharedSql.Won};
          INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
            SELECT p.payment_id, p.user_id, 'USE', p.amount, b.balance, p.payment_id
            FROM {SharedSql.Members(SharedSql.N, SharedSql.Attempt)}
            STRAIGHT_JOIN payment p FORCE INDEX (PRIMARY) ON p.payment_id = UNHEX(w.attempt)
            STRAIGHT_JOIN user_point_balance b FORCE INDEX (PRIMARY) ON b.user_id = p.user_id WHERE {SharedSql.Won};
          UPDATE {SharedSql.Members(SharedSql.N, SharedSql.Booking)}
            STRAIGHT_JOIN booking b FORCE INDEX (PRIMARY) ON b.booking_id = UNHEX(w.booking)
            SET b.status = 'CONFIRMED' WHERE {SharedSql.Won};
          INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
            SELECT UNHEX(w.event), 'concert-booking.payments', '{OutboxEvents.PaymentCompleted}', p.booking_id,
              {PaySql.EventSql}, w.traceparent
            FROM {SharedSql.Members(SharedSql.N, SharedSql.Attempt, SharedSql.Event, SharedSql.TraceParent)}
            STRAIGHT_JOIN payment p FORCE INDEX (PRIMARY) ON p.payment_id = UNHEX(w.attempt)
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking)
              ON r.booking_id = p.booking_id AND r.payment_id = p.payment_id
            STRAIGHT_JOIN concert_schedule s ON s.schedule_id = r.schedule_id {BookingEvents.PlacesSql}
            WHERE {SharedSql.Won} GROUP BY w.n, w.event, w.traceparent, p.payment_id;
          INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id, answer)
            SELECT w.user_id, 'pay', w.k, UNHEX(w.body_hash), p.payment_id, {PaySql.AnswerSql("b.balance")}
            FROM {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Key, SharedSql.Hash, SharedSql.Attempt)}
            STRAIGHT_JOIN payment p FORCE INDEX (PRIMARY) ON p.payment_id = UNHEX(w.attempt)
            STRAIGHT_JOIN user_point_balance b FORCE INDEX (PRIMARY) ON b.user_id = w.user_id WHERE {SharedSql.Won};
          COMMIT;
        END IF;

        """
        // After COMMIT, a plain read.
        + $"""
        SELECT w.n, i.answer, {PaySql.UnpaidSql("w.user_id", "w.queue_name")}
          FROM {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Queue, SharedSql.Key)}
          STRAIGHT_JOIN idempotency i
            ON i.user_id = w.user_id AND i.call_name = 'pay' AND i.idempotency_key = {SharedSql.KeySql} WHERE {SharedSql.Won};
        """);
}
