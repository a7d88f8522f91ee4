using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Races;

/// <summary>What the database refuses whoever writes: the last guard, under all code.</summary>
[NotInParallel]
public sealed class SchemaGuards : SharedRigTests
{
    private static readonly int[] DuplicateKey = [1062], NoSuchRow = [1452];

    /// <summary>A broken CHECK: MySQL's number, and MariaDB's.</summary>
    private static readonly int[] BrokenCheck = [3819, 4025];

    private const string InsertReservation = """
        INSERT INTO reservation (reservation_id, user_id, schedule_id, seat_no, status, price, held_expires_at)
        VALUES (@id, @user, @schedule, 1, @status, 1000, TIMESTAMPADD(SECOND, 300, NOW(3)))
        """;

    [Test]
    [Arguments("HELD", "HELD")]
    [Arguments("HELD", "CONFIRMED")]
    [Arguments("CONFIRMED", "HELD")]
    [Arguments("CONFIRMED", "CONFIRMED")]
    public async Task Reservation_SecondLiveOneOfASeat_IsRefused(string first, string second)
    {
        await using var scratch = await ScratchAsync();
        await ReserveAsync(scratch, first);

        await RefusedAsync(() => ReserveAsync(scratch, second), DuplicateKey);
    }

    [Test]
    public async Task Reservation_MadeLiveAgainBesideAnother_IsRefused()
    {
        await using var scratch = await ScratchAsync();
        var dead = await ReserveAsync(scratch, "EXPIRED");
        await ReserveAsync(scratch, "HELD");

        await RefusedAsync(
            () => scratch.ExecuteAsync("UPDATE reservation SET status = 'HELD' WHERE reservation_id = @id", ("@id", dead)),
            DuplicateKey);
    }

    [Test]
    public async Task Reservation_AnyNumberOfDeadOnes_IsAccepted()
    {
        await using var scratch = await ScratchAsync();
        foreach (var status in (string[])["EXPIRED", "RELEASED", "EXPIRED", "RELEASED", "HELD"])
        {
            await ReserveAsync(scratch, status);
        }

        await Assert.That(await scratch.ExecuteAsync(
            "UPDATE reservation SET status = 'EXPIRED' WHERE schedule_id = @schedule AND status = 'HELD'",
            ("@schedule", scratch.Show.ScheduleId))).IsEqualTo(1);
        await ReserveAsync(scratch, "CONFIRMED");
    }

    [Test]
    public async Task Reservation_UnknownStatus_IsRefused()
    {
        await using var scratch = await ScratchAsync();

        // A status outside the list would be live nowhere and slip through the guard.
        await RefusedAsync(() => ReserveAsync(scratch, "LOST"), BrokenCheck);
    }

    [Test]
    public async Task Payment_SecondOneOfAReservation_IsRefused()
    {
        await using var scratch = await ScratchAsync();
        var reservation = await ReserveAsync(scratch, "CONFIRMED");
        await PayAsync(scratch, reservation);

        await RefusedAsync(() => PayAsync(scratch, reservation), DuplicateKey);
    }

    [Test]
    public async Task Payment_SecondOneOfABooking_IsRefused()
    {
        await using var scratch = await ScratchAsync();
        var booking = Guid.CreateVersion7();
        Task<int> PayAsync() => scratch.ExecuteAsync(
            "INSERT INTO payment (payment_id, booking_id, user_id, amount) VALUES (@id, @booking, 1, 1000)",
            ("@id", Guid.CreateVersion7()), ("@booking", booking));
        await PayAsync();

        await RefusedAsync(PayAsync, DuplicateKey);
    }

    [Test]
    public async Task Payment_OfNoReservation_IsRefused()
    {
        await using var scratch = await ScratchAsync();

        await RefusedAsync(() => PayAsync(scratch, Guid.CreateVersion7()), NoSuchRow);
    }

    [Test]
    public async Task Balance_Negative_IsRefused()
    {
        await using var scratch = await ScratchAsync();
        var user = UserIds.Next();
        await scratch.ExecuteAsync("INSERT INTO user_point_balance (user_id, balance) VALUES (@user, 10)", ("@user", user));

        await RefusedAsync(
            () => scratch.ExecuteAsync("UPDATE user_point_balance SET balance = balance - 11 WHERE user_id = @user", ("@user", user)),
            BrokenCheck);
        await RefusedAsync(
            () => scratch.ExecuteAsync("INSERT INTO user_point_balance (user_id, balance) VALUES (@user, -1)", ("@user", UserIds.Next())),
            BrokenCheck);
    }

    [Test]
    public async Task Ledger_SecondRowOfAReference_IsRefused()
    {
        await using var scratch = await ScratchAsync();
        var reference = Guid.CreateVersion7();
        await WriteLedgerAsync(scratch, "CHARGE", 10, reference);

        await RefusedAsync(() => WriteLedgerAsync(scratch, "CHARGE", 10, reference), DuplicateKey);
        await RefusedAsync(() => WriteLedgerAsync(scratch, "USE", 10, reference), DuplicateKey);
    }

    [Test]
    public async Task Ledger_NegativeAmountOrUnknownType_IsRefused()
    {
        await using var scratch = await ScratchAsync();

        await RefusedAsync(() => WriteLedgerAsync(scratch, "CHARGE", -10, Guid.CreateVersion7()), BrokenCheck);
        await RefusedAsync(() => WriteLedgerAsync(scratch, "GIFT", 10, Guid.CreateVersion7()), BrokenCheck);
    }

    [Test]
    public async Task Idempotency_SecondRowOfAKey_IsRefused()
    {
        await using var scratch = await ScratchAsync();
        const string Sql = """
            INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id)
            VALUES (1, 'pay', 'key', REPEAT('x', 32), @attempt)
            """;
        await scratch.ExecuteAsync(Sql, ("@attempt", Guid.CreateVersion7()));

        await RefusedAsync(() => scratch.ExecuteAsync(Sql, ("@attempt", Guid.CreateVersion7())), DuplicateKey);
    }

    private async Task<Scratch> ScratchAsync()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 1);
        return new Scratch(await Rig.Database.OpenAsync(), show);
    }

    private static async Task<Guid> ReserveAsync(Scratch scratch, string status)
    {
        var id = Guid.CreateVersion7();
        await scratch.ExecuteAsync(
            InsertReservation, ("@id", id), ("@user", UserIds.Next()), ("@schedule", scratch.Show.ScheduleId), ("@status", status));
        return id;
    }

    private static Task<int> PayAsync(Scratch scratch, Guid reservation) => scratch.ExecuteAsync(
        "INSERT INTO payment (payment_id, reservation_id, user_id, amount) VALUES (@id, @reservation, 1, 1000)",
        ("@id", Guid.CreateVersion7()), ("@reservation", reservation));

    private static Task<int> WriteLedgerAsync(Scratch scratch, string type, long amount, Guid reference) => scratch.ExecuteAsync(
        "INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference) VALUES (@id, 1, @type, @amount, 10, "
            + "@reference)",
        ("@id", Guid.CreateVersion7()), ("@type", type), ("@amount", amount), ("@reference", reference));

    private static async Task RefusedAsync(Func<Task> write, int[] numbers)
    {
        var refused = await Assert.ThrowsAsync<MySqlException>(write);
        await Assert.That(numbers).Contains(refused!.Number);
    }

    /// <summary>One transaction that is rolled back at the end: nothing of it ever meets the invariants.</summary>
    private sealed class Scratch : IAsyncDisposable
    {
        private readonly MySqlConnection _connection;
        private readonly MySqlTransaction _transaction;

        public Scratch(MySqlConnection connection, Show show)
        {
            (_connection, Show) = (connection, show);
            _transaction = connection.BeginTransaction();
        }

        public Show Show { get; }

        public async Task<int> ExecuteAsync(string sql, params (string Name, object? Value)[] parameters)
        {
            await using var command = new MySqlCommand(sql, _connection, _transaction);
            foreach (var (name, value) in parameters)
            {
                command.Parameters.AddWithValue(name, value);
            }

            return await command.ExecuteNonQueryAsync();
        }

        public async ValueTask DisposeAsync()
        {
            await _transaction.RollbackAsync();
            await _transaction.DisposeAsync();
            await _connection.DisposeAsync();
        }
    }
}
