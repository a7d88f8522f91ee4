using MySqlConnector;

namespace ConcertBooking.Events.Outbox;

/// <summary>What can happen to a reservation besides being paid; the value is the CloudEvents type.</summary>
internal static class ReservationEvent
{
    public const string Held = "reservation.held.v1";
    public const string Expired = "reservation.expired.v1";
    public const string Released = "reservation.released.v1";
}

/// <summary>
/// The rows that tell the world of a change, written by statements of the same transaction. The table is also the
/// retry table: a row is there until Kafka has acknowledged it.
/// </summary>
internal static class OutboxEvents
{
    public const string PaymentsTopic = "concert-booking.payments";
    public const string ReservationsTopic = "concert-booking.reservations";
    /// <summary>Where events go that a consumer of payments gave up.</summary>
    public const string DeadLettersTopic = PaymentsTopic + ".dlq";

    public const string PaymentCompleted = "payment.completed.v1";

    /// <summary>Those of <see cref="AddTo"/>, for a procedure.</summary>
    public const string ReservationEventParameters = """
        @reservation BINARY(16), @event BINARY(16), @eventType VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin,
        @traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin, @reservationText CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        """;

    /// <summary>
    /// The event of a reservation's change. To be completed by a WHERE on <c>r</c> that holds only in the transaction
    /// that made the change; <see cref="AddTo"/> gives its parameters.
    /// </summary>
    public const string ReservationEventSql = """
        INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
          SELECT @event, 'concert-booking.reservations', @eventType, r.reservation_id,
            CONCAT('{"reservationId":"', @reservationText, '","userId":', r.user_id, ',"concertId":', es.concert_id,
              ',"scheduleId":', r.schedule_id, ',"seatNo":', r.seat_no,
              ',"at":"', DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%fZ'), '"}'), @traceparent
          FROM reservation r JOIN concert_schedule es ON es.schedule_id = r.schedule_id

        """;

    /// <summary>Gives @event, @eventType, @traceparent, @reservation and its text, which no SQL common to both servers can make.</summary>
    public static void AddTo(MySqlParameterCollection parameters, Guid reservationId, string eventType)
    {
        parameters.AddWithValue("@event", Guid.CreateVersion7());
        parameters.AddWithValue("@eventType", eventType);
        parameters.AddWithValue("@traceparent", Instrumentation.TraceParent);
        parameters.AddWithValue("@reservation", reservationId);
        parameters.AddWithValue("@reservationText", reservationId.ToString());
    }
}
