using MySqlConnector;

namespace ConcertBooking.Http.Idempotency;

/// <summary>
/// Looks up remembered answers for calls that may not make a new one: their users are not admitted, and only a repeat
/// gets an answer. Lookups are batched and share one read connection, so that many of them cost admitted users next
/// to nothing.
/// </summary>
internal sealed class IdempotentAnswers
{
    private const int MaximumBatch = 100;

    /// <summary>Waits for more lookups: a user who is not admitted can wait, and MySQL gets fewer statements.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly RequestBatcher<IdempotentCall, IResult?> _lookups;

    public IdempotentAnswers(MySqlDatabase database) => _lookups = new(
        calls => database.ReadAsync((connection, token) => SelectAsync(connection, calls, token), CancellationToken.None),
        MaximumBatch, Pause);

    /// <summary>The remembered answer of an earlier request with this key, if there is one.</summary>
    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time, or the statement before did not end.</exception>
    public Task<IResult?> FindAsync(IdempotentCall call) => MySqlLimits.Request.AwaitAsync(_lookups.EnqueueAsync(call));

    private static async Task<IReadOnlyList<IResult?>> SelectAsync(
        MySqlConnection connection, IReadOnlyList<IdempotentCall> calls, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(SelectSql(calls), connection);
        var answers = new IResult?[calls.Count];
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var found = IdempotencyRow.Read(reader);
            var key = (UserId: reader.GetInt64(3), Call: reader.GetString(4), Key: reader.GetString(5));
            for (var index = 0; index < calls.Count; index++)
            {
                if (key == (calls[index].UserId, calls[index].Call, calls[index].Key))
                {
                    answers[index] = found.AnswerTo(calls[index]);
                }
            }
        }

        return answers;
    }

    /// <summary>
    /// All answers of these users, by a prefix of the primary key; the keys, which clients choose, are compared here rather
    /// than written into the text. A plain read of committed answers.
    /// </summary>
    private static string SelectSql(IReadOnlyList<IdempotentCall> calls) => $"""
        SELECT {IdempotencyRow.Columns}, user_id, call_name, idempotency_key FROM idempotency
        WHERE user_id IN ({string.Join(',', calls.Select(static call => call.UserId).Distinct())})
          AND call_name IN ({string.Join(',', calls.Select(static call => $"'{call.Call}'").Distinct())}) AND answer IS NOT NULL
        """;
}
