using ConcertBooking.Bookings;
using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Payments;

/// <summary>
/// Payments of several users in one transaction, in statements for all of them. Only plain successes: a member whose booking is not
/// held any more, or not paid for by the balance, or whose key has an answer, is left out, and no row of it is touched.
/// </summary>
internal static class SharedPaySql
{
    private const string Amount = "amount BIGINT PATH '$.amount'";
    private const string Balance = "balance BIGINT PATH '$.balance'";

    /// <summary>A row for each booking that was paid: its answer, and how many seats its user still holds.</summary>
    public static readonly StoredProcedure Procedure = new("pay_bookings_shared", "@members JSON",
        """
        DECLARE @seats TEXT DEFAULT '';
        DECLARE @paid JSON DEFAULT '[]';
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
        // so the balance is what it is now, and a key without an answer stays so. Reads all that the statements below write, once: each
        // member that pays, with its amount, its seats and what is left to its user.
        + $"""
        SELECT COALESCE(JSON_ARRAYAGG(JSON_OBJECT('n', d.n, 'user', d.user_id, 'queue', d.queue_name, 'booking', d.booking,
            'reservation', IF(d.held = 1, d.reservation, NULL), 'attempt', d.attempt, 'event', d.event, 'traceparent', d.traceparent,
            'key', d.k, 'hash', d.body_hash, 'concert', d.concert_id, 'schedule', d.schedule_id, 'seats', d.seats,
            'amount', d.amount, 'balance', u.balance - d.amount)), '[]') INTO @paid
          FROM (SELECT w.*, c.concert_id, s.schedule_id, COUNT(*) AS held, MIN(HEX(r.reservation_id)) AS reservation,
              SUM(r.price) AS amount, {BookingEvents.SeatsSql} AS seats
            FROM {SharedSql.Members(
                SharedSql.N, SharedSql.User, SharedSql.Booking, SharedSql.Queue, SharedSql.Key, SharedSql.Hash, SharedSql.Attempt,
                SharedSql.Event, SharedSql.TraceParent)}
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = UNHEX(w.booking) AND r.status = 'HELD'
            STRAIGHT_JOIN concert_schedule s ON s.schedule_id = r.schedule_id STRAIGHT_JOIN concert c ON c.concert_id = s.concert_id
            {BookingEvents.PlacesSql}
            WHERE FIND_IN_SET(w.n, @seats) AND c.queue_name = w.queue_name AND NOT EXISTS (SELECT 1 FROM idempotency i
              WHERE i.user_id = w.user_id AND i.call_name = 'pay' AND i.idempotency_key = {SharedSql.KeySql})
            GROUP BY w.n) d
          STRAIGHT_JOIN user_point_balance u FORCE INDEX (PRIMARY) ON u.user_id = d.user_id
          WHERE u.balance >= d.amount AND d.held = {SharedSql.CountIn("@seats", "d.n")};
        IF JSON_LENGTH(@paid) = 0 THEN
          ROLLBACK;
        ELSE
          UPDATE {Paid(SharedSql.User, SharedSql.Booking, SharedSql.Attempt, Balance)}
            STRAIGHT_JOIN user_point_balance u FORCE INDEX (PRIMARY) ON u.user_id = w.user_id
            STRAIGHT_JOIN booking b FORCE INDEX (PRIMARY) ON b.booking_id = UNHEX(w.booking)
            STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = b.booking_id AND r.status = 'HELD'
            SET u.balance = w.balance, b.status = 'CONFIRMED', r.status = 'CONFIRMED', r.change_id = UNHEX(w.attempt),
              r.payment_id = UNHEX(w.attempt);
          INSERT INTO payment (payment_id, booking_id, reservation_id, user_id, amount)
            SELECT UNHEX(w.attempt), UNHEX(w.booking), UNHEX(w.reservation), w.user_id, w.amount
            FROM {Paid(SharedSql.User, SharedSql.Booking, SharedSql.Reservation, SharedSql.Attempt, Amount)};
          INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
            SELECT UNHEX(w.attempt), w.user_id, 'USE', w.amount, w.balance, UNHEX(w.attempt)
            FROM {Paid(SharedSql.User, SharedSql.Attempt, Amount, Balance)};
          INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
            SELECT UNHEX(w.event), 'concert-booking.payments', '{OutboxEvents.PaymentCompleted}', p.booking_id,
              {PaySql.EventSql("w.seats", "w")}, w.traceparent
            FROM {Paid(SharedSql.Attempt, SharedSql.Event, SharedSql.TraceParent, "concert_id BIGINT PATH '$.concert'",
                "schedule_id BIGINT PATH '$.schedule'", "seats TEXT PATH '$.seats'")}
            STRAIGHT_JOIN payment p FORCE INDEX (PRIMARY) ON p.payment_id = UNHEX(w.attempt);
          INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id, answer)
            SELECT w.user_id, 'pay', w.k, UNHEX(w.body_hash), p.payment_id, {PaySql.AnswerSql("w.balance")}
            FROM {Paid(SharedSql.User, SharedSql.Key, SharedSql.Hash, SharedSql.Attempt, Balance)}
            STRAIGHT_JOIN payment p FORCE INDEX (PRIMARY) ON p.payment_id = UNHEX(w.attempt);
          COMMIT;
        END IF;

        """
        // After COMMIT, a plain read.
        + $"""
        SELECT w.n, i.answer, {PaySql.UnpaidSql("w.user_id", "w.queue_name")}
          FROM {Paid(SharedSql.N, SharedSql.User, SharedSql.Queue, SharedSql.Key)}
          STRAIGHT_JOIN idempotency i
            ON i.user_id = w.user_id AND i.call_name = 'pay' AND i.idempotency_key = {SharedSql.KeySql};
        """);

    /// <summary>The members that pay, as rows of <c>w</c>.</summary>
    private static string Paid(params string[] columns) => SharedSql.Rows("@paid", columns);
}
