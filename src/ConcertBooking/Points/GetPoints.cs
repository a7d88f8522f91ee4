using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using MySqlConnector;

namespace ConcertBooking.Points;

public sealed record PointsResponse(long Balance);

/// <summary>Reads the caller's balance; 0 for a new user.</summary>
internal static class GetPoints
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/points", HandleAsync)
            .WithName("GetPoints").WithTags("Points").WithSummary("Read the balance")
            .WithDescription("The caller's points; 0 for a new user.")
            .WithExample(static () => new PointsResponse(100_000))
            .WithAccessToken()
            .Produces<PointsResponse>()
            .WithProblems(Problems.DatabaseUnavailable);

    private static async Task<Ok<PointsResponse>> HandleAsync(HttpContext context, Balances balances) =>
        TypedResults.Ok(new PointsResponse(await balances.OfAsync(context.UserId())));
}

/// <summary>
/// Reads balances in batches. Many users read theirs just before they pay: they share statements and one connection,
/// so that payments keep the others.
/// </summary>
internal sealed class Balances(MySqlDatabase database)
{
    private readonly BatchedReads<long, long> _lookups = new(database, SelectAsync);

    /// <inheritdoc cref="BatchedReads{TKey, TValue}.FindAsync" path="/exception"/>
    public Task<long> OfAsync(long userId) => _lookups.FindAsync(userId);

    private static async Task<IReadOnlyList<long>> SelectAsync(
        MySqlConnection connection, IReadOnlyList<long> users, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(
            $"SELECT user_id, balance FROM user_point_balance WHERE user_id IN ({string.Join(',', users)})", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var balances = new Dictionary<long, long>(users.Count);
        while (await reader.ReadAsync(cancellationToken))
        {
            balances[reader.GetInt64(0)] = reader.GetInt64(1);
        }

        return [.. users.Select(user => balances.GetValueOrDefault(user))];
    }
}

[JsonSerializable(typeof(PointsResponse))]
internal sealed partial class GetPointsJson : JsonSerializerContext;
