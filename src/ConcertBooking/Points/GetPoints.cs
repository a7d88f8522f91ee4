using System.Text.Json.Serialization;
using ConcertBooking.Infrastructure;
using Dapper;

namespace ConcertBooking.Points;

public sealed record PointsResponse(long Balance);

/// <summary>The caller's balance; 0 for a user never seen.</summary>
internal static class GetPoints
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/points", Handle)
            .WithName("GetPoints").WithTags("Points").WithSummary("Read the balance")
            .WithAccessToken()
            .Produces<PointsResponse>()
            .WithProblems(Problems.DatabaseUnavailable);

    private const string SelectSql = "SELECT balance FROM user_point_balance WHERE user_id = @userId";

    private static async Task<IResult> Handle(HttpContext context, MySql database, CancellationToken cancellationToken)
    {
        var userId = context.UserId();
        var balance = await database.Read(
            (connection, token) => connection.QueryFirstOrDefaultAsync<long>(SelectSql, new { userId }), cancellationToken);
        return TypedResults.Ok(new PointsResponse(balance));
    }
}

[JsonSerializable(typeof(PointsResponse))]
internal sealed partial class GetPointsJson : JsonSerializerContext;
