using ConcertBooking.Servers;
using MySqlConnector;

namespace ConcertBooking.Tests.Support;

/// <summary>SQL past the service: to arrange what only time or an accident would, and to look at what it wrote.</summary>
public sealed class Database(string connectionString)
{
    private readonly string _connectionString = new MySqlConnectionStringBuilder(connectionString)
    {
        GuidFormat = MySqlGuidFormat.Binary16,
        DateTimeKind = MySqlDateTimeKind.Utc,
        ApplicationName = "tests",
    }.ConnectionString;

    /// <summary>As the service's setting takes it.</summary>
    public string ConnectionString { get; } = connectionString;

    /// <summary>What makes the service, or one of its commands, use it.</summary>
    public Dictionary<string, string?> Settings => new() { [MySqlServers.Setting] = ConnectionString };

    /// <returns>The rows that were changed.</returns>
    public async Task<int> ExecuteAsync(string sql, params (string Name, object? Value)[] parameters)
    {
        await using var connection = await OpenAsync();
        await using var command = Command(connection, sql, parameters);
        return await command.ExecuteNonQueryAsync();
    }

    /// <returns>The first column of the first row; the type's default when there is no row or it is NULL.</returns>
    public async Task<T?> ScalarAsync<T>(string sql, params (string Name, object? Value)[] parameters)
    {
        await using var connection = await OpenAsync();
        await using var command = Command(connection, sql, parameters);
        await using var reader = await command.ExecuteReaderAsync();
        return await reader.ReadAsync() && !reader.IsDBNull(0) ? reader.GetFieldValue<T>(0) : default;
    }

    /// <returns>The first column of every row.</returns>
    public async Task<IReadOnlyList<T>> ColumnAsync<T>(string sql, params (string Name, object? Value)[] parameters)
    {
        await using var connection = await OpenAsync();
        await using var command = Command(connection, sql, parameters);
        await using var reader = await command.ExecuteReaderAsync();
        var values = new List<T>();
        while (await reader.ReadAsync())
        {
            values.Add(reader.GetFieldValue<T>(0));
        }

        return values;
    }

    /// <summary>Makes whoever wants to change this user's points wait, until the connection is disposed.</summary>
    public Task<MySqlConnection> LockBalanceAsync(long userId) => LockAsync(
        "UPDATE user_point_balance SET balance = balance WHERE user_id = @user", ("@user", userId));

    /// <summary>The same for a user who has no row yet: it is being added.</summary>
    public Task<MySqlConnection> AddBalanceAsync(long userId) => LockAsync(
        "INSERT INTO user_point_balance (user_id, balance) VALUES (@user, 0)", ("@user", userId));

    /// <summary>The same for whoever wants to hold a seat.</summary>
    public Task<MySqlConnection> LockSeatAsync(Show show, int seatNo) => LockAsync(
        "SELECT seat_no FROM seat WHERE schedule_id = @schedule AND seat_no = @seat FOR UPDATE",
        ("@schedule", show.ScheduleId), ("@seat", seatNo));

    /// <summary>The same for whoever wants to pay, release or extend a seat.</summary>
    public Task<MySqlConnection> LockReservationAsync(Show show, int seatNo) => LockAsync(
        "SELECT seat_no FROM reservation WHERE schedule_id = @schedule AND seat_no = @seat AND live = 1 FOR UPDATE",
        ("@schedule", show.ScheduleId), ("@seat", seatNo));

    /// <summary>Takes the locks of a statement in a transaction that ends with the connection.</summary>
    private async Task<MySqlConnection> LockAsync(string sql, params (string Name, object? Value)[] parameters)
    {
        var connection = await OpenAsync();
        var transaction = await connection.BeginTransactionAsync();
        await using var command = Command(connection, sql, parameters);
        command.Transaction = transaction;
        await command.ExecuteNonQueryAsync();
        return connection;
    }

    /// <summary>
    /// How many sessions of this database the server has with that value in a column; by default those that wait for a statement.
    /// The same query of information_schema.processlist fails on MySQL 9 while a statement carries an id.
    /// </summary>
    public async Task<int> SessionsAsync(string column = "Command", string value = "Sleep")
    {
        await using var connection = await OpenAsync();
        await using var command = new MySqlCommand("SHOW PROCESSLIST", connection);
        await using var reader = await command.ExecuteReaderAsync();
        var count = 0;
        while (await reader.ReadAsync())
        {
            count += $"{reader[column]}" == value && $"{reader["db"]}" == connection.Database ? 1 : 0;
        }

        return count;
    }

    /// <summary>A connection for a test that keeps a transaction open.</summary>
    public async Task<MySqlConnection> OpenAsync()
    {
        var connection = new MySqlConnection(_connectionString);
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>
    /// The lock that a hold leaves at its seat lives half a second, and never longer than the hold. Where a test lets
    /// an hour pass in the database, that half second has passed as well.
    /// </summary>
    private static Task LetSeatLocksPassAsync() => Task.Delay(600);

    /// <summary>Lets the time of a hold be over. Only just: <c>verify</c>, which may run meanwhile, allows the sweep 5 s.</summary>
    public async Task LetHoldPassAsync(string reservationId)
    {
        if (await EndHoldsAsync(TimeSpan.FromSeconds(-1), "reservation_id = @id", ("@id", Guid.Parse(reservationId))) != 1)
        {
            throw new InvalidOperationException($"{reservationId} is not held.");
        }
    }

    /// <summary>Moves the end of holds to that time from now, those that the condition names, by the database's clock.</summary>
    /// <returns>How many there are.</returns>
    public async Task<int> EndHoldsAsync(TimeSpan fromNow, string which = "TRUE", params (string Name, object? Value)[] parameters)
    {
        await LetSeatLocksPassAsync();
        return await ExecuteAsync(
            $"UPDATE reservation SET held_expires_at = TIMESTAMPADD(MICROSECOND, @from, NOW(3)) WHERE {which} AND status = 'HELD'",
            [("@from", (long)fromNow.TotalMicroseconds), .. parameters]);
    }

    /// <summary>The runbook's two statements for the case that nobody sweeps.</summary>
    /// <returns>The holds past their end, and how many of them expired.</returns>
    public async Task<(IReadOnlyList<Guid> Found, int Expired)> ExpireByHandAsync()
    {
        var found = await ColumnAsync<Guid>(
            "SELECT reservation_id, seat_no, held_expires_at FROM reservation WHERE status='HELD' AND held_expires_at < NOW()");
        return (found, await ExecuteAsync("UPDATE reservation SET status='EXPIRED' WHERE status='HELD' AND held_expires_at < NOW()"));
    }

    public Task<string?> StatusAsync(string reservationId) =>
        ScalarAsync<string>("SELECT status FROM reservation WHERE reservation_id = @id", ("@id", Guid.Parse(reservationId)));

    /// <summary>The events that wait, oldest first: all of them only where no Kafka is there to take them.</summary>
    public Task<IReadOnlyList<string>> EventTypesAsync(string reservationId) => ColumnAsync<string>(
        "SELECT event_type FROM outbox WHERE event_key = @id ORDER BY created_at, event_id", ("@id", Guid.Parse(reservationId)));

    private static MySqlCommand Command(MySqlConnection connection, string sql, (string Name, object? Value)[] parameters)
    {
        var command = new MySqlCommand(sql, connection);
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return command;
    }
}
