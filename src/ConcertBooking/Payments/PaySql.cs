using ConcertBooking.Bookings;
using ConcertBooking.Events.Outbox;
using MySqlConnector;

namespace ConcertBooking.Payments;

/// <summary>The stored procedure that pays a booking, and what <see cref="SharedPaySql"/> has in common with it.</summary>
internal static class PaySql
{
    /// <summary>
    /// The remembered answer to <c>payment p</c>. Its JSON must equal the record <see cref="PaymentResponse"/>: PayTests compares it,
    /// member by member, with GET /v1/payments/{paymentId}, which serializes the record.
    /// </summary>
    /// <param name="balance">What is left.</param>
    public static string AnswerSql(string balance) => $$"""
        CONCAT('{"paymentId":"', {{UuidSql.Text("p.payment_id")}}, '","bookingId":"', {{UuidSql.Text("p.booking_id")}},
              '","reservationId":', IF(p.reservation_id IS NULL, 'null', CONCAT('"', {{UuidSql.Text("p.reservation_id")}}, '"')),
              ',"amount":', p.amount, ',"balance":', {{balance}},
              ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}')
        """;

    /// <summary>
    /// The event of <c>payment p</c>. Its JSON must equal the record PaymentCompletedV2, which the consumers read strictly
    /// (ConsumerTests), and the schema of payment.completed.v2 in deploy/asyncapi.yaml (AsyncApiTests compares all members).
    /// </summary>
    /// <param name="seats">What <see cref="BookingEvents.SeatsSql"/> gives.</param>
    /// <param name="schedule">The table with concert_id and schedule_id.</param>
    public static string EventSql(string seats, string schedule) => $$"""
        CONCAT('{"paymentId":"', {{UuidSql.Text("p.payment_id")}}, '","bookingId":"', {{UuidSql.Text("p.booking_id")}},
                '","userId":', p.user_id, ',"concertId":', {{schedule}}.concert_id,
                ',"scheduleId":', {{schedule}}.schedule_id, ',"seats":[', {{seats}}, '],"amount":', p.amount,
                ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}')
        """;

    /// <summary>How many seats a user holds in a queue.</summary>
    public static string UnpaidSql(string user, string queue) => $"""
        (SELECT COUNT(*) FROM reservation h FORCE INDEX (reservation_user)
                    JOIN concert_schedule hs ON hs.schedule_id = h.schedule_id JOIN concert hc ON hc.concert_id = hs.concert_id
                    WHERE h.user_id = {user} AND h.status = 'HELD' AND h.held_expires_at > NOW(3) AND hc.queue_name = {queue})
        """;

    /// <summary>
    /// One transaction in one round trip, then two results: the key's row, and the <see cref="HoldRow"/> that says why there
    /// is no answer.
    /// </summary>
    public static readonly StoredProcedure Procedure = new("pay_booking", IdempotencySql.Parameters + """
        , @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @named BINARY(16), @reservation BINARY(16),
        @event BINARY(16), @traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin
        """,
        // A reservation names the booking that it is in; once released it is no longer in one of several seats. SELECT INTO is a plain
        // read; in DECLARE, SET or IF the same would lock the row, before the user's.
        """
        DECLARE @seats, @total, @before BIGINT DEFAULT 0;
        DECLARE @booking BINARY(16) DEFAULT @named;
        SELECT IF(status = 'RELEASED', reservation_id, COALESCE(booking_id, reservation_id)) INTO @booking
          FROM reservation WHERE reservation_id = @reservation;

        """ + IdempotencySql.Begin + BookingSql.Adopt
        // Decides the race under the row locks of the seats: the user's own, held, not overdue, of the token's queue, and the key not
        // used by another attempt. change_id marks the rows as changed by this attempt.
        + """
        UPDATE reservation r FORCE INDEX (reservation_booking) JOIN concert_schedule s ON s.schedule_id = r.schedule_id
          JOIN concert c ON c.concert_id = s.concert_id JOIN
        """ + " " + IdempotencySql.Claim + """

          SET r.status = 'CONFIRMED', r.change_id = @attempt, r.payment_id = @attempt
          WHERE r.booking_id = @booking AND r.user_id = @user AND r.status = 'HELD' AND r.held_expires_at > NOW(3)
            AND c.queue_name = @queue;
        SELECT COUNT(*), COALESCE(SUM(price), 0) INTO @seats, @total FROM reservation FORCE INDEX (reservation_booking)
          WHERE booking_id = @booking AND change_id = @attempt;
        SELECT balance INTO @before FROM user_point_balance WHERE user_id = @user;

        """
        // The user's row is locked since the beginning, so the balance is what it is now. Whatever is missing undoes all of it, the
        // claim of the key too: errors store nothing.
        + """
        IF @seats = 0 OR @before < @total THEN
          ROLLBACK;
          SELECT COALESCE(booking_id, @booking) INTO @booking FROM reservation WHERE reservation_id = @reservation;
        ELSE
          UPDATE user_point_balance SET balance = balance - @total WHERE user_id = @user;
          INSERT INTO payment (payment_id, booking_id, reservation_id, user_id, amount)
            SELECT @attempt, @booking, IF(@seats = 1, MIN(reservation_id), NULL), @user, @total
            FROM reservation FORCE INDEX (reservation_booking) WHERE booking_id = @booking AND change_id = @attempt;
          INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
            VALUES (@attempt, @user, 'USE', @total, @before - @total, @attempt);

        """ + BookingSql.Settle + $$"""
          INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
            SELECT @event, 'concert-booking.payments', '{{OutboxEvents.PaymentCompleted}}', p.booking_id,
              {{EventSql(BookingEvents.SeatsSql, "s")}}, @traceparent
            FROM payment p JOIN reservation r ON r.payment_id = p.payment_id
            JOIN concert_schedule s ON s.schedule_id = r.schedule_id {{BookingEvents.PlacesSql}}
            WHERE p.payment_id = @attempt GROUP BY p.payment_id;
          UPDATE idempotency i JOIN payment p ON p.payment_id = @attempt
            SET i.answer = {{AnswerSql("@before - @total")}}
            WHERE i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt;
          COMMIT;
        END IF;

        """ + IdempotencySql.Find + HoldRow.Sql);
}

/// <param name="Status">Of one of its seats: of one that is paid, or else held, if there is any.</param>
/// <param name="IsOverdue">Still <c>HELD</c> past its end by the database's clock.</param>
/// <param name="UnpaidHolds">How many seats its user holds in the queue of the token.</param>
internal sealed record HoldRow(string Status, bool IsOverdue, string Queue, long UnpaidHolds)
{
    /// <summary>After COMMIT or ROLLBACK, so a plain read of what is now true.</summary>
    public static string Sql { get; } = $$"""
        SELECT r.status, r.status = 'HELD' AND r.held_expires_at <= NOW(3) AS overdue, c.queue_name,
               {{PaySql.UnpaidSql("@user", "@queue")}} AS unpaid
          FROM reservation r FORCE INDEX (reservation_booking)
          JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
          WHERE r.booking_id = @booking AND r.user_id = @user AND (@reservation IS NULL OR r.reservation_id = @reservation)
          ORDER BY r.status = 'CONFIRMED' DESC, r.status = 'HELD' DESC LIMIT 1;
        """;

    public static HoldRow Read(MySqlDataReader row) => new(
        Status: row.GetString(0), IsOverdue: row.GetBoolean(1), Queue: row.GetString(2), UnpaidHolds: row.GetInt64(3));
}
