using System.Text.Json.Serialization;
using MySqlConnector;

namespace ConcertBooking.Points;

/// <summary>A request to charge points.</summary>
/// <param name="Target">Whose points.</param>
internal sealed record PointCharge(IdempotentCall Call, long Target, long Amount);

/// <summary>
/// Charges points, alone (<see cref="ChargePoints.Procedure"/>) or many users' in one transaction (<see cref="SharedChargeSql"/>).
/// </summary>
internal sealed class PointCharges(MySqlDatabase database, SharedTransactions shared)
{
    private readonly TransactionBatcher<PointCharge, IResult> _batcher =
        new("charge", shared, ChargeAsync, static charge => [(charge.Target, 0)]);

    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time.</exception>
    public Task<IResult> ChargeAsync(PointCharge charge)
    {
        var deadline = MySqlLimits.Request;
        return _batcher.RunAsync(charge, () => ChargeAloneAsync(charge, deadline), deadline);
    }

    private Task<IResult> ChargeAloneAsync(PointCharge charge, Deadline deadline) => database.RunAsync(
        async (connection, cancellationToken) =>
        {
            await using var command = ChargePoints.Procedure.Call(connection);
            charge.Call.AddTo(command);
            command.Parameters.AddWithValue("@target", charge.Target);
            command.Parameters.AddWithValue("@amount", charge.Amount);
            command.Parameters.AddWithValue("@limit", ChargePoints.MaximumBalance);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            // From the key's row: this charge, an earlier one, or that the key was used with another body.
            return await IdempotencySql.ReadAnswerAsync(reader, charge.Call, cancellationToken) ?? Problems.BalanceLimitExceeded;
        },
        CancellationToken.None, deadline);

    private static async Task<IReadOnlyList<IResult?>> ChargeAsync(
        MySqlConnection connection, IReadOnlyList<PointCharge> charges, CancellationToken cancellationToken)
    {
        List<SharedCharge> members = [.. charges.Select(static (charge, n) => new SharedCharge(
            n, charge.Target, charge.Call.UserId, charge.Amount, charge.Call.Key, Convert.ToHexString(charge.Call.BodyHash),
            $"{charge.Call.NewAttempt():N}"))];
        await using var command = SharedSql.Call(
            SharedChargeSql.Procedure, connection, members, SharedChargeJson.Default.ListSharedCharge);
        command.Parameters.AddWithValue("@limit", ChargePoints.MaximumBalance);
        return await SharedSql.ReadAsync<IResult>(
            command, members.Count, static row => new StoredAnswer(row.GetString(1), Replayed: false), cancellationToken);
    }
}

/// <summary>A member of the procedure's array.</summary>
/// <param name="User">Whose points.</param>
/// <param name="Caller">Whose key.</param>
internal sealed record SharedCharge(int N, long User, long Caller, long Amount, string Key, string Hash, string Attempt);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(List<SharedCharge>))]
internal sealed partial class SharedChargeJson : JsonSerializerContext;
