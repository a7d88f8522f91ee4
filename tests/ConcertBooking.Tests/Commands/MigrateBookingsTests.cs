using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Commands;

/// <summary>A database of the build before bookings: nothing of it is lost, and what is held there goes on.</summary>
public sealed class MigrateBookingsTests : SharedRigTests
{
    private const int Seats = 3100, Filled = 3000;
    private const long Price = 10;

    /// <summary>Every row as it was: none of these columns may change.</summary>
    private const string ReservationsSql = """
        SELECT CONCAT(COUNT(*), ' ', CAST(SUM(CRC32(CONCAT_WS('|', HEX(reservation_id), user_id, schedule_id, seat_no, status, price,
          held_expires_at, created_at, COALESCE(HEX(change_id), '')))) AS CHAR)) FROM reservation
        """;

    private const string PaymentsSql = """
        SELECT CONCAT(COUNT(*), ' ', CAST(SUM(CRC32(CONCAT_WS('|', HEX(payment_id), HEX(reservation_id), user_id, amount, created_at,
          COALESCE(published_at, '')))) AS CHAR)) FROM payment
        """;

    private const string OddReservationsSql = """
        SELECT COUNT(*) FROM reservation r LEFT JOIN booking b ON b.booking_id = r.booking_id LEFT JOIN payment p
          ON p.reservation_id = r.reservation_id
        WHERE b.booking_id IS NULL OR b.booking_id <> r.reservation_id OR b.status <> r.status OR b.user_id <> r.user_id
          OR b.schedule_id <> r.schedule_id OR b.held_expires_at <> r.held_expires_at OR b.created_at <> r.created_at
          OR b.extensions <> 0 OR NOT (p.payment_id <=> r.payment_id) OR NOT (p.booking_id <=> IF(p.payment_id IS NULL, NULL, r.booking_id))
          OR (r.status = 'CONFIRMED') <> (p.payment_id IS NOT NULL)
        """;

    [Test]
    public async Task Migrate_DatabaseOfTheBuildBefore_EveryReservationIsABookingOfOne()
    {
        var before = await BuildBefore.AddDatabaseAsync(Rig);
        var show = await before.AddShowAsync(Seats, Price);
        await before.FillAsync(show, 1, Filled);
        var users = Enumerable.Range(0, 5).Select(_ => Rig.NewVisitor()).ToArray();
        var holds = new List<string>();
        foreach (var (index, user) in users.Index())
        {
            await before.ChargeAsync(user.UserId, 10 * Price);
            holds.Add(await before.HoldAsync(show, user.UserId, Filled + 1 + index));
        }

        var paymentId = await before.PayAsync(holds[4]);
        var (reservations, payments) = (await ReadAsync(ReservationsSql), await ReadAsync(PaymentsSql));

        await Assert.That((await MigrateAsync(before.Database)).Output).Contains("applying 100_bookings.sql");

        await Assert.That((await ReadAsync(ReservationsSql), await ReadAsync(PaymentsSql))).IsEqualTo((reservations, payments));
        await Assert.That(await before.Database.ScalarAsync<long>(OddReservationsSql)).IsEqualTo(0);
        await Assert.That(await before.Database.ScalarAsync<long>("SELECT COUNT(*) FROM booking")).IsEqualTo(Filled + users.Length);
        await Assert.That((await MigrateAsync(before.Database)).Output).Contains("nothing to do");

        await using var instance = await Rig.StartAsync(SettingsOf(before.Database));
        foreach (var user in users)
        {
            user.Api = instance.Api;
            await user.AdmittedAsync(show);
        }

        await ExpectListedAsync(users[0], holds[0], "HELD", Filled + 1);
        var paid = (await Eventually.AnsweredAsync(() => users[0].PayBookingAsync(holds[0], key: holds[0]))).Expect(201);
        await Assert.That((paid.Value("reservationId"), paid.Number("amount"), paid.Number("balance")))
            .IsEqualTo((holds[0], Price, 9 * Price));
        await ExpectListedAsync(users[0], holds[0], "CONFIRMED", Filled + 1);

        (await Eventually.AnsweredAsync(() => users[1].ReleaseAsync(holds[1]))).Expect(204);
        await ExpectListedAsync(users[1], holds[1], "RELEASED", Filled + 2);
        await Assert.That((await users[1].HoldTogetherAsync(show, Filled + 2, Filled + 20)).IsWon).IsTrue();

        await before.Database.LetHoldPassAsync(holds[2]);
        await Eventually.GetAsync(() => before.Database.StatusAsync(holds[2]), static status => status == "EXPIRED");
        await ExpectListedAsync(users[2], holds[2], "EXPIRED", Filled + 3);
        await Assert.That((await users[1].HoldAsync(show, Filled + 3)).IsWon).IsTrue();

        (await Eventually.AnsweredAsync(() => users[3].ExtendAsync(holds[3]))).Expect(200);
        var payment = (await users[4].GetAsync($"/v1/payments/{paymentId}")).Expect(200);
        await Assert.That((payment.Value("bookingId"), payment.Value("reservationId"))).IsEqualTo((holds[4], holds[4]));
        (await users[4].PayAsync(holds[4])).ExpectProblem(409, "already_paid");
        await ExpectListedAsync(users[4], holds[4], "CONFIRMED", Filled + 5);
        await Rig.VerifyAsync(SettingsOf(before.Database));

        async Task<string> ReadAsync(string sql) => (await before.Database.ScalarAsync<string>(sql))!;
    }

    /// <summary>A migration that was cut short is run again.</summary>
    [Test, Category("Long"), Explicit]
    public async Task Migrate_CutShort_GoesOn()
    {
        var before = await BuildBefore.AddDatabaseAsync(Rig);
        var show = await before.AddShowAsync(Seats, Price);
        await before.FillAsync(show, 1, Filled);
        await MigrateAsync(before.Database);
        await before.Database.ExecuteAsync("""
            DELETE FROM schema_migration WHERE number = 100;
            UPDATE payment p JOIN reservation r ON r.reservation_id = p.reservation_id
              SET r.booking_id = NULL, r.payment_id = NULL, p.booking_id = NULL WHERE r.seat_no > 1500;
            UPDATE reservation SET booking_id = NULL WHERE seat_no > 1500;
            DELETE FROM booking WHERE booking_id IN (SELECT reservation_id FROM reservation WHERE seat_no > 2000);
            """);

        await Assert.That((await MigrateAsync(before.Database)).Output).Contains("applying 100_bookings.sql");

        await Assert.That(await before.Database.ScalarAsync<long>(OddReservationsSql)).IsEqualTo(0);
        await Rig.VerifyAsync(SettingsOf(before.Database));
    }

    private static Dictionary<string, string?> SettingsOf(Database database) => new(database.Settings) { [KafkaServers.Setting] = null };

    private static async Task ExpectListedAsync(Visitor user, string bookingId, string status, int seatNo)
    {
        var listed = (await user.GetAsync("/v1/bookings")).Expect(200).Items().Single();
        await Assert.That((listed.Value("bookingId"), listed.Value("status"), listed.Seats()))
            .IsEqualTo((bookingId, status, $"{seatNo} {status}"));
        await Assert.That((await user.BookingAsync(bookingId)).Expect(200).Value("status")).IsEqualTo(status);
        await Assert.That((await user.ReservationAsync(bookingId)).Expect(200).Value("status")).IsEqualTo(status);
    }

    private async Task<ServiceResult> MigrateAsync(Database database)
    {
        var result = await Rig.RunAsync(["migrate"], database.Settings);
        await Assert.That(result.ExitCode).IsEqualTo(0).Because(result.Error);
        return result;
    }
}
