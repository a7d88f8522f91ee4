using System.Text.Json.Serialization;
using Dapper;

namespace ConcertBooking.Reservations;

public sealed record ReservationList(IReadOnlyList<ReservationResponse> Items, string? NextCursor);

/// <summary>Lists the caller's reservations, newest first.</summary>
internal static class ListReservations
{
    private const char List = 'r';

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/reservations", HandleAsync)
            .WithName("ListReservations").WithTags("Reservations").WithSummary("List one's reservations")
            .WithDescription("The caller's reservations in any status, newest first.")
            .WithExample(static () => new ReservationList([ReservationResponse.Example], null))
            .WithPaging()
            .WithAccessToken()
            .Produces<ReservationList>()
            .WithProblems(Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        HttpContext context, MySqlDatabase database, int? limit, string? cursor, CancellationToken cancellationToken)
    {
        if (!Paging.TryRead(limit, cursor, List, start: default, out var size, out var key, out var problem))
        {
            return problem;
        }

        var userId = context.UserId();
        var (before, count) = (key.Id, size + 1);
        var rows = await database.ReadAsync(
            async (connection, _) => (string.IsNullOrEmpty(cursor)
                ? await connection.QueryAsync<ReservationRow>(
                    FirstSql, new { userId, count }, commandTimeout: MySqlLimits.StatementSeconds)
                : await connection.QueryAsync<ReservationRow>(
                    NextSql, new { userId, before, count }, commandTimeout: MySqlLimits.StatementSeconds)).ToList(),
            cancellationToken);
        var items = rows.Take(size).Select(row => row.ToResponse()).ToList();
        var next = rows.Count > size ? Paging.Write(List, 0, rows[size - 1].Id) : null;
        return TypedResults.Ok(new ReservationList(items, next));
    }

    /// <summary>
    /// Ordered by the database's clock. An id carries the clock of the instance that made it, so it only breaks the tie
    /// of what was made in the same microsecond.
    /// </summary>
    private const string FirstSql = ReservationRow.Sql + """
        WHERE r.user_id = @userId
        ORDER BY r.created_at DESC, r.reservation_id DESC
        LIMIT @count
        """;

    /// <summary>Continues after the reservation that the cursor names, if it is the caller's.</summary>
    private const string NextSql = ReservationRow.Sql + """
        JOIN reservation b ON b.reservation_id = @before AND b.user_id = @userId
        WHERE r.user_id = @userId AND r.created_at <= b.created_at
          AND (r.created_at < b.created_at OR r.reservation_id < b.reservation_id)
        ORDER BY r.created_at DESC, r.reservation_id DESC
        LIMIT @count
        """;
}

[JsonSerializable(typeof(ReservationList))]
internal sealed partial class ListReservationsJson : JsonSerializerContext;
