namespace ConcertBooking.Events.Outbox;

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

    public const string PaymentCompleted = "payment.completed.v2";

    /// <summary>Of older builds: one seat. Still consumed, and no longer sent.</summary>
    public const string SeatPaid = "payment.completed.v1";
}
