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

    /// <summary>Each statement may run again, and beside itself. The status of a booking whose seat was paid there is corrected.</summary>
    private const string Sql = """
        INSERT IGNORE INTO booking (booking_id, user_id, schedule_id, status, held_expires_at, created_at)
          SELECT reservation_id, user_id, schedule_id, status, held_expires_at, created_at FROM reservation WHERE booking_id IS NULL;
        UPDATE reservation SET booking_id = reservation_id WHERE booking_id IS NULL;
        UPDATE payment p JOIN reservation r ON r.reservation_id = p.reservation_id JOIN booking b ON b.booking_id = r.booking_id
          SET p.booking_id = r.booking_id, r.payment_id = p.payment_id, b.status = 'CONFIRMED'
          WHERE p.booking_id IS NULL AND r.booking_id IS NOT NULL;
        """;
}
