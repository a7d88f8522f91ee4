using Dapper;

namespace ConcertBooking.Payments;

internal sealed class PaymentRow
{
    public Guid Id { get; set; }
    public Guid ReservationId { get; set; }
    public long Amount { get; set; }
    public long Balance { get; set; }
    public DateTime PaidAt { get; set; }
}

/// <summary>One payment of the caller; somebody else's does not exist for it.</summary>
internal static class GetPayment
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/payments/{paymentId}", HandleAsync)
            .WithName("GetPayment").WithTags("Payments").WithSummary("Read a payment")
            .WithAccessToken()
            .Produces<PaymentResponse>()
            .WithProblems(Problems.PaymentNotFound, Problems.DatabaseUnavailable);

    private const string SelectSql = """
        SELECT p.payment_id AS Id, p.reservation_id AS ReservationId, p.amount AS Amount, t.balance_after AS Balance, p.created_at AS PaidAt
        FROM payment p JOIN point_tx t ON t.reference = p.payment_id
        WHERE p.payment_id = @id AND p.user_id = @userId
        """;

    private static async Task<IResult> HandleAsync(string paymentId, HttpContext context, MySqlDatabase database, CancellationToken cancellationToken)
    {
        if (!Guid.TryParseExact(paymentId, "D", out var id))
        {
            return Problems.PaymentNotFound;
        }

        var userId = context.UserId();
        var row = await database.ReadAsync(
            (connection, token) => connection.QueryFirstOrDefaultAsync<PaymentRow>(SelectSql, new { id, userId }, commandTimeout: MySqlLimits.StatementSeconds), cancellationToken);
        return row is null
            ? Problems.PaymentNotFound
            : TypedResults.Ok(new PaymentResponse(row.Id.ToString(), row.ReservationId.ToString(), row.Amount, row.Balance, row.PaidAt));
    }
}
