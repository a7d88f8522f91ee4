using System.Security.Cryptography;
using System.Text;
using MySqlConnector;

namespace ConcertBooking.Http.Idempotency;

/// <summary>One use of an <c>Idempotency-Key</c>: who, for which call, with which body.</summary>
internal sealed record IdempotentCall(long UserId, string Call, string Key, byte[] BodyHash)
{
    private const int MaximumKeyLength = 255;

    /// <summary>The attempts made for this request: more than one when the service had to repeat its transaction.</summary>
    private readonly List<Guid> _attempts = [];

    /// <summary>Reads the header; <paramref name="body"/> is what the request means, so that spacing does not matter.</summary>
    public static Problem? Read(HttpContext context, long userId, string call, string body, out IdempotentCall? read)
    {
        read = null;
        var header = context.Request.Headers["Idempotency-Key"];
        if (header.Count == 0 || string.IsNullOrEmpty(header[0]))
        {
            return Problems.IdempotencyKeyMissing;
        }

        var key = header[0]!;
        if (header.Count > 1 || key.Length > MaximumKeyLength || key.Any(static c => c is < ' ' or > '~'))
        {
            return Problem.Invalid("Idempotency-Key", $"Must be one value of 1 to {MaximumKeyLength} printable ASCII characters.");
        }

        read = new IdempotentCall(userId, call, key, SHA256.HashData(Encoding.UTF8.GetBytes(body)));
        return null;
    }

    /// <summary>Gives a command the call's parameters with an attempt id of its own, which also names the effect.</summary>
    public Guid AddTo(MySqlCommand command)
    {
        var attemptId = Guid.CreateVersion7();
        _attempts.Add(attemptId);
        command.Parameters.AddWithValue("@user", UserId);
        command.Parameters.AddWithValue("@call", Call);
        command.Parameters.AddWithValue("@key", Key);
        command.Parameters.AddWithValue("@hash", BodyHash);
        command.Parameters.AddWithValue("@attempt", attemptId);
        return attemptId;
    }

    /// <summary>Whether the answer is this request's own, also when MySQL's first word of it was lost on the way.</summary>
    public bool Made(Guid attemptId) => _attempts.Contains(attemptId);
}

/// <summary>
/// The protocol that pay and charge share. The key's row lives in the transaction of its effect: the first statement
/// claims it for this attempt, every effect asks for that claim, and a claim without an answer is dropped before
/// COMMIT. So an error stores nothing, and a crash leaves both effect and answer, or neither.
/// </summary>
internal static class IdempotencySql
{
    /// <summary>How long an answer is remembered; the sweep removes older ones.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromHours(24);

    /// <summary>Those of <see cref="IdempotentCall.AddTo"/>.</summary>
    public const string Parameters = """
        @user BIGINT, @call VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin, @key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin,
        @hash BINARY(32), @attempt BINARY(16)
        """;

    /// <summary>
    /// Opens the transaction. The user's row comes first, in every transaction that touches a user's points or holds:
    /// one lock order, and parallel calls of one user take turns.
    /// </summary>
    public const string Begin = """
        START TRANSACTION;
        INSERT INTO user_point_balance (user_id, balance) VALUES (@user, 0) ON DUPLICATE KEY UPDATE balance = balance;

        """ + TakeKey;

    /// <summary>Second in the transaction, after the row of the user whose points or holds it touches.</summary>
    public const string TakeKey = """
        INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id)
          VALUES (@user, @call, @key, @hash, @attempt) ON DUPLICATE KEY UPDATE attempt_id = attempt_id;

        """;

    /// <summary>A FROM clause's part: true only in the transaction that claimed the key.</summary>
    public const string Claim = """
        idempotency i ON i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt
        """;

    /// <summary>Closes the transaction and returns the key's row: attempt_id, body_hash, answer; no row when nothing happened.</summary>
    public const string End = """

        DELETE FROM idempotency
          WHERE user_id = @user AND call_name = @call AND idempotency_key = @key AND attempt_id = @attempt AND answer IS NULL;
        COMMIT;
        SELECT attempt_id, body_hash, answer FROM idempotency
          WHERE user_id = @user AND call_name = @call AND idempotency_key = @key;

        """;

    /// <summary>Reads the row of <see cref="End"/>: this request's answer, an earlier one, a reused key, or null.</summary>
    public static async Task<IResult?> ReadAnswerAsync(MySqlDataReader reader, IdempotentCall call, CancellationToken cancellationToken)
    {
        return await reader.ReadAsync(cancellationToken) ? AnswerOf(reader, call) : null;
    }

    /// <summary>The row that the reader is at: attempt_id, body_hash, answer.</summary>
    public static IResult AnswerOf(MySqlDataReader row, IdempotentCall call) =>
        row.GetFieldValue<byte[]>(1).AsSpan().SequenceEqual(call.BodyHash)
            ? new StoredAnswer(row.GetString(2), Replayed: !call.Made(row.GetGuid(0)))
            : Problems.IdempotencyKeyReused;
}

/// <summary>An answer as the database keeps it, byte for byte.</summary>
internal sealed record StoredAnswer(string Json, bool Replayed) : IResult
{
    public async Task ExecuteAsync(HttpContext context)
    {
        var bytes = Encoding.UTF8.GetBytes(Json);
        context.Response.StatusCode = StatusCodes.Status201Created;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = bytes.Length;
        if (Replayed)
        {
            context.Response.Headers["Idempotency-Replayed"] = "true";
        }

        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
