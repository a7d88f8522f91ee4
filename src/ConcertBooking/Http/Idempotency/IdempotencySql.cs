using MySqlConnector;

namespace ConcertBooking.Http.Idempotency;

/// <summary>
/// The idempotency protocol that pay, charge and the hold of best available seats share. The key's row is written in the
/// transaction of its effect: the first statement claims it for this attempt, every effect depends on that claim, and a claim
/// without an answer is deleted before COMMIT. So an error stores nothing, and a crash leaves both effect and answer, or neither.
/// </summary>
internal static class IdempotencySql
{
    /// <summary>How long an answer is remembered; <see cref="PurgeIdempotencyKeys"/> deletes older ones.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromHours(24);

    /// <summary>Those of <see cref="IdempotentCall.AddTo"/>.</summary>
    public const string Parameters = """
        @user BIGINT, @call VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin, @key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin,
        @hash BINARY(32), @attempt BINARY(16)
        """;

    /// <summary>
    /// Opens the transaction. The user's row comes first in every transaction that touches a user's points or holds:
    /// one lock order, and concurrent calls of one user run one after the other.
    /// </summary>
    public const string Begin = """
        START TRANSACTION;
        INSERT INTO user_point_balance (user_id, balance) VALUES (@user, 0) ON DUPLICATE KEY UPDATE balance = balance;

        """ + TakeKey;

    /// <summary>
    /// Claims the key, second in the transaction, after the row of the user whose points or holds it touches. A concurrent
    /// call with this key waits for the row's lock, here at the latest, and then finds the other's claim.
    /// </summary>
    public const string TakeKey = """
        INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id)
          VALUES (@user, @call, @key, @hash, @attempt) ON DUPLICATE KEY UPDATE attempt_id = attempt_id;

        """;

    /// <summary>A part of a FROM clause: true only in the transaction that claimed the key.</summary>
    public const string Claim = """
        idempotency i ON i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt
        """;

    /// <summary>The key's row, in a plain read after the end of the transaction; no row when nothing happened.</summary>
    public const string Find = $"""
        SELECT {IdempotencyRow.Columns} FROM idempotency
          WHERE user_id = @user AND call_name = @call AND idempotency_key = @key AND answer IS NOT NULL;

        """;

    /// <summary>
    /// Deletes this attempt's claim if it has no answer, closes the transaction, and returns the key's row in a plain read;
    /// no row when nothing happened.
    /// </summary>
    public const string End = """

        DELETE FROM idempotency
          WHERE user_id = @user AND call_name = @call AND idempotency_key = @key AND attempt_id = @attempt AND answer IS NULL;
        COMMIT;

        """ + Find;

    /// <summary>Reads the result of <see cref="End"/>: this request's answer, an earlier one, a reused key, or null.</summary>
    public static async Task<IResult?> ReadAnswerAsync(MySqlDataReader reader, IdempotentCall call, CancellationToken cancellationToken) =>
        await reader.ReadAsync(cancellationToken) ? IdempotencyRow.Read(reader).AnswerTo(call) : null;
}

/// <summary>A key's row with its answer.</summary>
internal readonly record struct IdempotencyRow(Guid AttemptId, byte[] BodyHash, string Answer)
{
    /// <summary>The first columns of every SELECT that <see cref="Read"/> reads.</summary>
    public const string Columns = "attempt_id, body_hash, answer";

    public static IdempotencyRow Read(MySqlDataReader row) => new(
        AttemptId: row.GetGuid(0), BodyHash: row.GetFieldValue<byte[]>(1), Answer: row.GetString(2));

    public IResult AnswerTo(IdempotentCall call) => BodyHash.AsSpan().SequenceEqual(call.BodyHash)
        ? new StoredAnswer(Answer, Replayed: !call.Made(AttemptId))
        : Problems.IdempotencyKeyReused;
}
