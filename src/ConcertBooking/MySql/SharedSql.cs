using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// What the procedures of shared transactions have in common (<see cref="TransactionBatcher{TRequest, TOutcome}"/>). Their members come as
/// one JSON array, <c>@members</c>; who is still in is a list of their numbers in a variable. Nothing waits for a lock: a member
/// whose row is locked by somebody else drops out. READ COMMITTED, as everywhere.
/// </summary>
internal static class SharedSql
{
    /// <summary>Ends a locking read of <c>k</c> beside JSON_TABLE.</summary>
    public const string SkipLocked = $"{SkipLockedBegin} k */ SKIP LOCKED";

    /// <summary>The same of <c>u</c> and <c>k</c>.</summary>
    public const string SkipBothLocked = $"{SkipLockedBegin} u, k */ SKIP LOCKED";

    /// <summary>
    /// MySQL wants the tables named, since it cannot lock the JSON; MariaDB does not know OF, and takes comments with these numbers
    /// for comments.
    /// </summary>
    private const string SkipLockedBegin = "FOR UPDATE /*!50799 OF";

    /// <summary>MariaDB has NOWAIT too, but not in procedures.</summary>
    private const string NoWaitOnMySql = "/*!50799 OF k NOWAIT */";

    private const string NoWaitOnMariaDb = "/*M!100100 SET STATEMENT innodb_lock_wait_timeout = 0 FOR */";

    /// <summary>What a lock that somebody else has fails with at once: on MariaDB a timeout, on MySQL an error of its own.</summary>
    private const string LockedErrors = "1205, 3572";

    /// <summary>The members as rows of <c>w</c>, with just the columns that a statement reads.</summary>
    /// <param name="columns">Each as in COLUMNS of JSON_TABLE.</param>
    public static string Members(params string[] columns) => Rows("@members", columns);

    /// <summary>The same of another array.</summary>
    public static string Rows(string array, params string[] columns) =>
        $"JSON_TABLE({array}, '$[*]' COLUMNS ({string.Join(", ", columns)})) w";

    /// <summary>Whether the member is in the list of those that are served, the variable @won.</summary>
    public const string Won = "FIND_IN_SET(w.n, @won)";

    /// <summary>Numbers a member; the first is 0.</summary>
    public const string N = "n INT PATH '$.n'";

    public const string User = "user_id BIGINT PATH '$.user'";

    /// <summary>Bytes travel as hexadecimal digits.</summary>
    public static string Id(string column, string member) => $"{column} CHAR(32) PATH '$.{member}'";

    /// <summary>The idempotency key: in an index, compare <see cref="KeySql"/>.</summary>
    public const string Key = "k VARCHAR(255) PATH '$.key'";

    public const string Hash = "body_hash CHAR(64) PATH '$.hash'";

    public const string Attempt = "attempt CHAR(32) PATH '$.attempt'";

    public const string Event = "event CHAR(32) PATH '$.event'";

    public const string TraceParent = "traceparent VARCHAR(55) PATH '$.traceparent'";

    public const string Booking = "booking CHAR(32) PATH '$.booking'";

    /// <summary>Where a client named a reservation and not a booking: only a booking of one has its id.</summary>
    public const string Reservation = "reservation CHAR(32) PATH '$.reservation'";

    public const string Queue = "queue_name VARCHAR(64) PATH '$.queue'";

    /// <summary>The key in the character set of its column.</summary>
    public const string KeySql = "CONVERT(w.k USING ascii) COLLATE ascii_bin";

    /// <summary>
    /// Locks the rows of the members' users, first as in every transaction that touches a user's points or holds, and puts the ids
    /// of those that it got into @users. A user without a row, new here, gets one; unless another transaction is just giving a row to
    /// one of the new users: an INSERT would wait for its end, so then all of them drop out.
    /// </summary>
    public static string LockUsers { get; } = LockKnownUsers + $"""
        IF @locked < JSON_LENGTH(@members) THEN
          SELECT COALESCE(JSON_ARRAYAGG(w.user_id), '[]') INTO @new
            FROM {Members(User)} LEFT JOIN user_point_balance k ON k.user_id = w.user_id WHERE k.user_id IS NULL;
          BEGIN
            DECLARE CONTINUE HANDLER FOR {LockedErrors} SET @new = '[]';
            {NoWaitOnMariaDb} SELECT COUNT(*) INTO @locked
              FROM {NewUsers} STRAIGHT_JOIN user_point_balance k FORCE INDEX (PRIMARY) ON k.user_id = w.user_id FOR UPDATE {NoWaitOnMySql};
          END;
          INSERT IGNORE INTO user_point_balance (user_id, balance) SELECT w.user_id, 0 FROM {NewUsers} ORDER BY w.user_id;
          {LockKnownUsers}
        END IF;

        """;

    /// <summary>The same for users who have a row, or have nothing.</summary>
    public static string LockKnownUsers => $"""
        SELECT COUNT(*), COALESCE(GROUP_CONCAT(k.user_id), '') INTO @locked, @users
          FROM {Members(User)} STRAIGHT_JOIN user_point_balance k FORCE INDEX (PRIMARY) ON k.user_id = w.user_id {SkipLocked};

        """;

    private const string NewUsers = "JSON_TABLE(@new, '$[*]' COLUMNS (user_id BIGINT PATH '$')) w";

    /// <summary>The variables of <see cref="LockUsers"/>.</summary>
    public const string Variables = "DECLARE @locked INT DEFAULT 0;\nDECLARE @users TEXT DEFAULT '';\nDECLARE @new JSON DEFAULT '[]';\n";

    /// <summary>A call with these members; the caller adds the other parameters.</summary>
    /// <param name="members">Each with its place in the list as its number.</param>
    public static MySqlCommand Call<T>(
        StoredProcedure procedure, MySqlConnection connection, List<T> members, JsonTypeInfo<List<T>> json)
    {
        var command = procedure.Call(connection);
        command.Parameters.AddWithValue("@members", JsonSerializer.Serialize(members, json));
        return command;
    }

    /// <summary>The outcomes in the order of the members; null for one without a row.</summary>
    /// <param name="outcome">Of a member's only row, which has its number first.</param>
    public static async Task<IReadOnlyList<T?>> ReadAsync<T>(
        MySqlCommand command, int members, Func<MySqlDataReader, T> outcome, CancellationToken cancellationToken)
        where T : class
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var outcomes = new T?[members];
        while (await reader.ReadAsync(cancellationToken))
        {
            outcomes[reader.GetInt32(0)] = outcome(reader);
        }

        return outcomes;
    }

    /// <summary>
    /// How many times a number is in a list of them, such as a member's in one with a number for each locked row: by how much
    /// <c>,1,,1,,12,</c> is shorter without <c>,1,</c>.
    /// </summary>
    public static string CountIn(string list, string number)
    {
        var separated = $"CONCAT(',', REPLACE({list}, ',', ',,'), ',')";
        return $"(LENGTH({separated}) - LENGTH(REPLACE({separated}, CONCAT(',', {number}, ','), ''))) DIV (2 + LENGTH({number}))";
    }
}
