using MySqlConnector;

namespace ConcertBooking.Events.Outbox;

/// <summary>The CloudEvents types of a reservation's changes, payment aside.</summary>
internal static class ReservationEvent
{
    public const string Held = "reservation.held.v1";
    public const string Expired = "reservation.expired.v1";
    public const string Released = "reservation.released.v1";
}

/// <summary>
/// The transactional outbox: events are rows that statements write in the transaction of the change. The table is also the
/// retry queue: a row stays until Kafka has acknowledged it.
/// </summary>
internal static class OutboxEvents
{
    public const string PaymentsTopic = "concert-booking.payments";
    public const string ReservationsTopic = "concert-booking.reservations";

    /// <summary>The dead-letter topic of the consumers of payments.</summary>
    public const string DeadLettersTopic = PaymentsTopic + ".dlq";

    public const string PaymentCompleted = "payment.completed.v1";

    /// <summary>Those of <see cref="AddTo"/>, for a stored procedure.</summary>
    public const string ReservationEventParameters = """
        @reservation BINARY(16), @event BINARY(16), @eventType VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin,
        @traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin, @reservationText CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        """;

    /// <summary>
    /// The event of a reservation's change, with the parameters of <see cref="AddTo"/>. The procedure completes it by a WHERE
    /// on <c>r</c> that holds only in the transaction that made the change, so the change and its event are one.
    /// </summary>
    /// <remarks>
    /// The JSON must equal the schemas of <c>reservation.*.v1</c> in deploy/asyncapi.yaml: AsyncApiTests compares all members
    /// of each type. The service itself does not read these events, so no record has their shape.
    /// </remarks>
    public const string ReservationEventSql = """
        INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
          SELECT @event, 'concert-booking.reservations', @eventType, r.reservation_id,
            CONCAT('{"reservationId":"', @reservationText, '","userId":', r.user_id, ',"concertId":', es.concert_id,
              ',"scheduleId":', r.schedule_id, ',"seatNo":', r.seat_no,
              ',"at":"', DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%fZ'), '"}'), @traceparent
          FROM reservation r JOIN concert_schedule es ON es.schedule_id = r.schedule_id

        """;

    /// <summary>
    /// Adds <see cref="ReservationEventParameters"/>. The id is given as text as well, because MySQL and MariaDB have no common
    /// function that formats one.
    /// </summary>
    public static void AddTo(MySqlParameterCollection parameters, Guid reservationId, string eventType)
    {
        parameters.AddWithValue("@event", Guid.CreateVersion7());
        parameters.AddWithValue("@eventType", eventType);
        parameters.AddWithValue("@traceparent", Instrumentation.TraceParent);
        parameters.AddWithValue("@reservation", reservationId);
        parameters.AddWithValue("@reservationText", reservationId.ToString());
    }
}
