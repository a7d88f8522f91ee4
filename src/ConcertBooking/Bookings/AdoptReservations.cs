using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>
/// Completes what instances of the build before write during a rolling update: their reservations become bookings of one, their
/// payments those bookings' payments. Every second, in every worker; without such rows it costs two look-ups by index.
/// </summary>
internal sealed class AdoptReservations(MySqlDatabase database, TimeProvider time, ILogger<AdoptReservations> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time, logger)
{
    protected override Task RoundAsync(CancellationToken stoppingToken) => database.RunAsync(
        static async (connection, token) =>
        {
            await using var command = new MySqlCommand(Sql, connection);
            return await command.ExecuteNonQueryAsync(token);
        },
        stoppingToken, MySqlLimits.Background);

    /// <summary>
    /// Each statement may run again, and beside itself. A payment there is of one seat: if that was held here with others, it leaves
    /// their booking and becomes one of its own. Its event may have been acknowledged here meanwhile, which found no such booking.
    /// </summary>
    private const string Sql = """
        INSERT IGNORE INTO booking (booking_id, user_id, schedule_id, status, held_expires_at, created_at)
          SELECT reservation_id, user_id, schedule_id, status, held_expires_at, created_at FROM reservation WHERE booking_id IS NULL;
        UPDATE reservation r JOIN booking b ON b.booking_id = r.reservation_id SET r.booking_id = b.booking_id
          WHERE r.booking_id IS NULL;
        INSERT IGNORE INTO booking (booking_id, user_id, schedule_id, status, held_expires_at, created_at)
          SELECT r.reservation_id, r.user_id, r.schedule_id, r.status, r.held_expires_at, r.created_at
          FROM payment p JOIN reservation r ON r.reservation_id = p.reservation_id WHERE p.booking_id IS NULL;
        UPDATE payment p JOIN reservation r ON r.reservation_id = p.reservation_id JOIN booking b ON b.booking_id = r.reservation_id
          SET p.booking_id = b.booking_id, r.booking_id = b.booking_id, r.payment_id = p.payment_id, b.status = 'CONFIRMED',
            p.published_at = IF(p.published_at IS NULL AND NOT EXISTS (
              SELECT 1 FROM outbox o WHERE o.event_key = p.reservation_id AND o.event_type = 'payment.completed.v1'),
              NOW(6), p.published_at)
          WHERE p.booking_id IS NULL;
        """;
}
