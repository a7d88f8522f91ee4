using MySqlConnector;

namespace ConcertBooking.Http.Idempotency;

/// <summary>
/// Looks up remembered answers for calls that may not make a new one: their users are not admitted, and only a repeat
/// gets an answer. Batched, so that many of them cost admitted users next to nothing.
/// </summary>
internal sealed class IdempotentAnswers(MySqlDatabase database)
{
    private readonly BatchedReads<IdempotentCall, IResult?> _lookups = new(database, SelectAsync, canWait: true);

    /// <summary>The remembered answer of an earlier request with this key, if there is one.</summary>
    /// <inheritdoc cref="BatchedReads{TKey, TValue}.FindAsync" path="/exception"/>
    public Task<IResult?> FindAsync(IdempotentCall call) => _lookups.FindAsync(call);

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
