using System.Text.Json.Serialization;
using ConcertBooking.Infrastructure;
using Dapper;

namespace ConcertBooking.Reservations;

public sealed record ReservationList(IReadOnlyList<ReservationResponse> Items, string? NextCursor);

/// <summary>The caller's reservations, newest first.</summary>
internal static class ListReservations
{
    private const char List = 'r';

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/reservations", Handle)
            .WithName("ListReservations").WithTags("Reservations").WithSummary("List one's reservations")
            .WithAccessToken()
            .Produces<ReservationList>()
            .WithProblems(Problems.InvalidRequest, Problems.DatabaseUnavailable);

    /// <summary>Ids are UUIDv7, so their order is the order of making.</summary>
    private const string SelectSql = ReservationRow.Sql + """
        WHERE r.user_id = @userId AND r.reservation_id < @before
        ORDER BY r.reservation_id DESC
        LIMIT @count
        """;

    private static async Task<IResult> Handle(HttpContext context, MySql database, int? limit, string? cursor, CancellationToken cancellationToken)
    {
        if (Paging.Limit(limit) is not { } size)
        {
            return Paging.LimitProblem;
        }

        if (!Paging.TryRead(cursor, List, (0, Paging.LastId), out var key))
        {
            return Paging.CursorProblem;
        }

        var userId = context.UserId();
        var rows = await database.Read(
            async (connection, token) =>
                (await connection.QueryAsync<ReservationRow>(SelectSql, new { userId, before = key.Id, count = size + 1 }, commandTimeout: MySqlLimits.StatementSeconds)).ToList(),
            cancellationToken);
        var items = rows.Take(size).Select(row => row.ToResponse()).ToList();
        return TypedResults.Ok(new ReservationList(items, rows.Count > size ? Paging.Write(List, 0, rows[size - 1].Id) : null));
    }
}

[JsonSerializable(typeof(ReservationList))]
internal sealed partial class ListReservationsJson : JsonSerializerContext;
