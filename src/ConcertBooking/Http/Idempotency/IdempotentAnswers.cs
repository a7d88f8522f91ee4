using MySqlConnector;

namespace ConcertBooking.Http.Idempotency;

/// <summary>
/// Answers that were given before, looked up for calls that may not make a new one: their callers are not admitted, and
/// only a repeat is due to them. They share statements and one connection for reads, so that a crowd of them costs those
/// who are admitted next to nothing.
/// </summary>
internal sealed class IdempotentAnswers
{
    private const int CallsAtOnce = 100;

    /// <summary>Nobody who is not admitted is in such a hurry that MySQL should be asked for each of them.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly RequestBatcher<IdempotentCall, IResult?> _lookups;

    public IdempotentAnswers(MySqlDatabase database) => _lookups = new(
        calls => database.ReadAsync((connection, token) => SelectAsync(connection, calls, token), CancellationToken.None), CallsAtOnce, Pause);

    /// <summary>The remembered answer of an earlier request with this key, if there is one.</summary>
    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time, or the statement before did not end.</exception>
    public Task<IResult?> FindAsync(IdempotentCall call) => MySqlLimits.Request.AwaitAsync(_lookups.EnqueueAsync(call));

    private static async Task<IReadOnlyList<IResult?>> SelectAsync(
        MySqlConnection connection, IReadOnlyList<IdempotentCall> calls, CancellationToken cancellationToken)
    {
        var users = string.Join(',', calls.Select(static call => call.UserId).Distinct());
        var names = string.Join(',', calls.Select(static call => call.Call).Distinct().Select(static name => $"'{name}'"));
        await using var command = new MySqlCommand(
            $"""
            SELECT attempt_id, body_hash, answer, user_id, call_name, idempotency_key FROM idempotency
            WHERE user_id IN ({users}) AND call_name IN ({names}) AND answer IS NOT NULL
            """, connection);
        var answers = new IResult?[calls.Count];
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            var key = (row.GetInt64(3), row.GetString(4), row.GetString(5));
            for (var index = 0; index < calls.Count; index++)
            {
                if (key == (calls[index].UserId, calls[index].Call, calls[index].Key))
                {
                    answers[index] = IdempotencySql.AnswerOf(row, calls[index]);
                }
            }
        }

        return answers;
    }
}
