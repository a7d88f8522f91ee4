using Dapper;

namespace ConcertBooking.Reservations;

/// <summary>Reads one reservation of the caller; another user's is not found.</summary>
internal static class GetReservation
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/reservations/{reservationId}", HandleAsync)
            .WithName("GetReservation").WithTags("Reservations").WithSummary("Read a reservation")
            .WithDescription("One of the caller's reservations. A reservation of another user is 404, as one that does not exist.")
            .WithParameter("reservationId", "A reservation of the caller.", ReservationResponse.ExampleId)
            .WithExample(static () => ReservationResponse.Example with { Status = ReservationStatus.Confirmed })
            .WithAccessToken()
            .Produces<ReservationResponse>()
            .WithProblems(Problems.ReservationNotFound, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        string reservationId, HttpContext context, MySqlDatabase database, CancellationToken cancellationToken)
    {
        if (!Guid.TryParseExact(reservationId, "D", out var id))
        {
            return Problems.ReservationNotFound;
        }

        var userId = context.UserId();
        var row = await database.ReadAsync(
            (connection, _) => connection.QueryFirstOrDefaultAsync<ReservationRow>(
                SelectSql, new { id, userId }, commandTimeout: MySqlLimits.StatementSeconds),
            cancellationToken);
        return row is null ? Problems.ReservationNotFound : TypedResults.Ok(row.ToResponse());
    }

    private const string SelectSql = ReservationRow.Sql + "WHERE r.reservation_id = @id AND r.user_id = @userId";
}
