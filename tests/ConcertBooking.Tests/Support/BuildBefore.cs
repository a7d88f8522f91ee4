using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using MySqlConnector;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// Writes what the build before bookings writes: reservations without a booking, payments of one reservation. Also makes a
/// database with the schema of that build.
/// </summary>
internal sealed class BuildBefore(Database database)
{
    private const int LastMigration = 90;

    public Database Database { get; } = database;

    /// <summary>A database that the build before has migrated.</summary>
    public static async Task<BuildBefore> AddDatabaseAsync(Rig rig)
    {
        var database = await rig.AddDatabaseAsync(migrate: false);
        await using var connection = new MySqlConnection(
            new MySqlConnectionStringBuilder(database.ConnectionString) { AllowUserVariables = true }.ConnectionString);
        await connection.OpenAsync();
        await ExecuteAsync("""
            CREATE TABLE schema_migration (
              number INT NOT NULL PRIMARY KEY,
              name VARCHAR(100) NOT NULL,
              checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
              applied_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
            ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
            """);
        foreach (var file in Directory.GetFiles(Repository.PathOf("src/ConcertBooking/MySql/Migrations"), "*.sql").Order())
        {
            var (name, sql) = (Path.GetFileName(file), await File.ReadAllTextAsync(file));
            var number = int.Parse(name.AsSpan(0, 3), CultureInfo.InvariantCulture);
            if (number <= LastMigration)
            {
                await ExecuteAsync(sql);
                var checksum = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql)));
                await ExecuteAsync($"INSERT INTO schema_migration (number, name, checksum) VALUES ({number}, '{name}', '{checksum}')");
            }
        }

        return new BuildBefore(database);

        async Task ExecuteAsync(string sql)
        {
            await using var command = new MySqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    /// <summary>The first show of a database.</summary>
    public async Task<Show> AddShowAsync(int seats, long price)
    {
        var queue = Catalogue.NewQueueName();
        await Database.ExecuteAsync("""
            INSERT INTO queue (queue_name, max_active, active_seconds) VALUES (@queue, 100000, 600);
            INSERT INTO concert (concert_id, title, queue_name) VALUES (1, 'The Quiet Hour', @queue);
            INSERT INTO concert_schedule (schedule_id, concert_id, starts_at, price, seat_count)
              VALUES (1, 1, TIMESTAMPADD(DAY, 30, UTC_TIMESTAMP(3)), @price, @seats);
            """, ("@queue", queue), ("@price", price), ("@seats", seats));
        var rows = Enumerable.Range(1, seats).Select(static seat => $"(1, {seat})");
        await Database.ExecuteAsync($"INSERT INTO seat (schedule_id, seat_no) VALUES {string.Join(", ", rows)}");
        return new Show(queue, 1, 1, seats, price);
    }

    /// <summary>Charges a user.</summary>
    public Task ChargeAsync(long userId, long amount) => Database.ExecuteAsync("""
        START TRANSACTION;
        INSERT INTO user_point_balance (user_id, balance) VALUES (@user, @amount) ON DUPLICATE KEY UPDATE balance = balance + @amount;
        INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
          SELECT @id, @user, 'CHARGE', @amount, balance, @id FROM user_point_balance WHERE user_id = @user;
        COMMIT;
        """, ("@user", userId), ("@amount", amount), ("@id", Guid.CreateVersion7()));

    /// <summary>Holds a free seat.</summary>
    /// <returns>The reservation's id.</returns>
    public async Task<string> HoldAsync(Show show, long userId, int seatNo, int seconds = 300)
    {
        var id = Guid.CreateVersion7();
        await Database.ExecuteAsync("""
            START TRANSACTION;
            INSERT INTO user_point_balance (user_id, balance) VALUES (@user, 0) ON DUPLICATE KEY UPDATE balance = balance;
            UPDATE seat SET reservation_id = @id WHERE schedule_id = @schedule AND seat_no = @seat AND reservation_id IS NULL;
            INSERT INTO reservation (reservation_id, user_id, schedule_id, seat_no, status, price, held_expires_at)
              SELECT t.reservation_id, @user, t.schedule_id, t.seat_no, 'HELD', s.price, TIMESTAMPADD(SECOND, @seconds, NOW(3))
              FROM seat t JOIN concert_schedule s ON s.schedule_id = t.schedule_id
              WHERE t.schedule_id = @schedule AND t.seat_no = @seat AND t.reservation_id = @id;
            INSERT INTO outbox (event_id, topic, event_type, event_key, payload)
              SELECT @event, 'concert-booking.reservations', 'reservation.held.v1', r.reservation_id,
                CONCAT('{"reservationId":"', @text, '","userId":', r.user_id, ',"concertId":', s.concert_id,
                  ',"scheduleId":', r.schedule_id, ',"seatNo":', r.seat_no, ',"at":"', DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%fZ'), '"}')
              FROM reservation r JOIN concert_schedule s ON s.schedule_id = r.schedule_id WHERE r.reservation_id = @id;
            COMMIT;
            """, ("@user", userId), ("@id", id), ("@schedule", show.ScheduleId), ("@seat", seatNo), ("@seconds", seconds),
            ("@event", Guid.CreateVersion7()), ("@text", id.ToString()));
        await Assert.That(await Database.StatusAsync($"{id}")).IsEqualTo("HELD");
        return $"{id}";
    }

    /// <summary>Pays one reservation, whatever it is held with: that build does not know of bookings.</summary>
    /// <returns>The payment's id.</returns>
    public async Task<string> PayAsync(string reservationId)
    {
        var id = Guid.CreateVersion7();
        await Database.ExecuteAsync("""
            START TRANSACTION;
            UPDATE reservation r JOIN user_point_balance b ON b.user_id = r.user_id
              SET r.status = 'CONFIRMED', r.change_id = @id, b.balance = b.balance - r.price
              WHERE r.reservation_id = @reservation AND r.status = 'HELD' AND b.balance >= r.price;
            INSERT INTO payment (payment_id, reservation_id, user_id, amount)
              SELECT @id, r.reservation_id, r.user_id, r.price
              FROM reservation r WHERE r.reservation_id = @reservation AND r.change_id = @id;
            INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
              SELECT @id, p.user_id, 'USE', p.amount, b.balance, p.payment_id
              FROM payment p JOIN user_point_balance b ON b.user_id = p.user_id WHERE p.payment_id = @id;
            INSERT INTO outbox (event_id, topic, event_type, event_key, payload)
              SELECT @event, 'concert-booking.payments', 'payment.completed.v1', r.reservation_id,
                CONCAT('{"paymentId":"', @text, '","reservationId":"', @reservationText, '","userId":', p.user_id,
                  ',"concertId":', s.concert_id, ',"scheduleId":', r.schedule_id, ',"seatNo":', r.seat_no, ',"amount":', p.amount,
                  ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}')
              FROM payment p JOIN reservation r ON r.reservation_id = p.reservation_id
              JOIN concert_schedule s ON s.schedule_id = r.schedule_id WHERE p.payment_id = @id;
            COMMIT;
            """, ("@id", id), ("@reservation", Guid.Parse(reservationId)), ("@event", Guid.CreateVersion7()), ("@text", id.ToString()),
            ("@reservationText", reservationId));
        await Assert.That(await Database.StatusAsync(reservationId)).IsEqualTo("CONFIRMED");
        return $"{id}";
    }

    /// <summary>
    /// Fills seats with reservations of every status in turn, one a seat and four a user. Half of the payments wait for Kafka, with
    /// their events; those of the others have been sent.
    /// </summary>
    public async Task FillAsync(Show show, int fromSeatNo, int toSeatNo)
    {
        const int Charged = 1000;
        string[] statuses = ["HELD", "CONFIRMED", "EXPIRED", "RELEASED"];
        foreach (var chunk in Enumerable.Range(fromSeatNo, toSeatNo - fromSeatNo + 1).Chunk(500))
        {
            var rows = chunk.Select(seat =>
                $"(X'{Guid.CreateVersion7():N}', {1 + (seat / 4)}, {show.ScheduleId}, {seat}, '{statuses[seat % 4]}', {show.Price}, "
                + $"TIMESTAMPADD(SECOND, {3600 + seat}, NOW(3)), TIMESTAMPADD(SECOND, {-seat}, NOW(6)))");
            await Database.ExecuteAsync($"""
                INSERT INTO reservation (reservation_id, user_id, schedule_id, seat_no, status, price, held_expires_at, created_at)
                VALUES {string.Join(", ", rows)}
                """);
        }

        await Database.ExecuteAsync("""
            START TRANSACTION;
            UPDATE seat t JOIN reservation r ON r.schedule_id = t.schedule_id AND r.seat_no = t.seat_no
              SET t.reservation_id = r.reservation_id WHERE r.status IN ('HELD', 'CONFIRMED') AND t.seat_no BETWEEN @from AND @to;
            INSERT INTO payment (payment_id, reservation_id, user_id, amount, published_at)
              SELECT UNHEX(LEFT(SHA2(reservation_id, 256), 32)), reservation_id, user_id, price, IF(seat_no % 8 = 1, NOW(6), NULL)
              FROM reservation WHERE status = 'CONFIRMED' AND seat_no BETWEEN @from AND @to;
            UPDATE reservation r JOIN payment p ON p.reservation_id = r.reservation_id SET r.change_id = p.payment_id;
            INSERT INTO outbox (event_id, topic, event_type, event_key, payload)
              SELECT UNHEX(LEFT(SHA2(CONCAT('event', HEX(payment_id)), 256), 32)), 'concert-booking.payments', 'payment.completed.v1',
                reservation_id, '{}' FROM payment WHERE published_at IS NULL;
            INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
              SELECT c.id, c.user_id, 'CHARGE', @charged, @charged, c.id
              FROM (SELECT user_id, UNHEX(LEFT(SHA2(CONCAT('charge', user_id), 256), 32)) AS id
                    FROM reservation WHERE seat_no BETWEEN @from AND @to GROUP BY user_id) c;
            INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
              SELECT payment_id, user_id, 'USE', amount, @charged - amount, payment_id FROM payment;
            INSERT INTO user_point_balance (user_id, balance)
              SELECT user_id, SUM(IF(type = 'CHARGE', amount, -amount)) FROM point_tx GROUP BY user_id;
            COMMIT;
            """, ("@from", fromSeatNo), ("@to", toSeatNo), ("@charged", Charged));
    }
}
