using Dapper;

namespace ConcertBooking.Payments;

/// <summary>Reads one payment of the caller; another user's is not found.</summary>
internal static class GetPayment
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/payments/{paymentId}", HandleAsync)
            .WithName("GetPayment").WithTags("Payments").WithSummary("Read a payment")
            .WithDescription("One of the caller's payments. A payment of another user is 404, as one that does not exist.")
            .WithParameter("paymentId", "A payment of the caller.", PaymentResponse.ExampleId)
            .WithExample(static () => PaymentResponse.Example)
            .WithAccessToken()
            .Produces<PaymentResponse>()
            .WithProblems(Problems.PaymentNotFound, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        string paymentId, HttpContext context, MySqlDatabase database, CancellationToken cancellationToken)
    {
        if (!Guid.TryParseExact(paymentId, "D", out var id))
        {
            return Problems.PaymentNotFound;
        }

        var userId = context.UserId();
        var row = await database.ReadAsync(
            (connection, _) => connection.QueryFirstOrDefaultAsync<PaymentRow>(
                SelectSql, new { id, userId }, commandTimeout: MySqlLimits.StatementSeconds),
            cancellationToken);
        return row is null ? Problems.PaymentNotFound : TypedResults.Ok(row.ToResponse());
    }

    private const string SelectSql = """
        SELECT p.payment_id AS Id, COALESCE(p.booking_id, p.reservation_id) AS BookingId,
               p.reservation_id AS ReservationId, p.amount AS Amount, t.balance_after AS Balance,
               p.created_at AS PaidAt
        FROM payment p JOIN point_tx t ON t.reference = p.payment_id
        WHERE p.payment_id = @id AND p.user_id = @userId
        """;
}

/// <summary>A row of the SELECT, which Dapper fills by name.</summary>
internal sealed class PaymentRow
{
    public Guid Id { get; set; }
    public Guid BookingId { get; set; }
    public Guid? ReservationId { get; set; }
    public long Amount { get; set; }
    public long Balance { get; set; }
    public DateTime PaidAt { get; set; }

    public PaymentResponse ToResponse() => new(
        Id.ToString(), BookingId.ToString(), ReservationId?.ToString(), Amount, Balance, PaidAt);
}
