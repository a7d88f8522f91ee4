using System.Globalization;
using MySqlConnector;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// Answers that were given before, looked up for calls that may not make a new one: their callers are not admitted, and
/// only a repeat is due to them. They share statements and one connection for reads, so that a crowd of them costs those
/// who are admitted next to nothing.
/// </summary>
internal sealed class StoredAnswers
{
    private const int CallsAtOnce = 20;

    private readonly Gathering<IdempotentCall, IResult?> _lookups;

    public StoredAnswers(MySql database) => _lookups = new(
        calls => database.Read((connection, token) => SelectAsync(connection, calls, token), CancellationToken.None), CallsAtOnce);

    /// <summary>The remembered answer of an earlier request with this key, if there is one.</summary>
    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time, or the statement before did not end.</exception>
    public Task<IResult?> FindAsync(IdempotentCall call) => MySqlLimits.Request.Await(_lookups.Ask(call));

    private static async Task<IReadOnlyList<IResult?>> SelectAsync(
        MySqlConnection connection, IReadOnlyList<IdempotentCall> calls, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand { Connection = connection };
        command.CommandText = string.Join("UNION ALL ", calls.Select((call, index) =>
        {
            command.Parameters.AddWithValue($"@user{index}", call.UserId);
            command.Parameters.AddWithValue($"@call{index}", call.Call);
            command.Parameters.AddWithValue($"@key{index}", call.Key);
            return string.Create(CultureInfo.InvariantCulture, $"""
                SELECT attempt_id, body_hash, answer, {index} AS call_index FROM idempotency
                  WHERE user_id = @user{index} AND call_name = @call{index} AND idempotency_key = @key{index}

                """);
        }));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var answers = new IResult?[calls.Count];
        while (await reader.ReadAsync(cancellationToken))
        {
            var index = reader.GetInt32(3);
            answers[index] = Idempotency.AnswerOf(reader, calls[index]);
        }

        return answers;
    }
}
