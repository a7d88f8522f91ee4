using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json.Serialization;

namespace ConcertBooking.Points;

/// <param name="Amount">Whole points.</param>
/// <param name="UserId">Whose points; only a cashier names another user than himself.</param>
public sealed record ChargePointsRequest(
    [property: Range(1L, ChargePoints.MaximumAmount)] long Amount, [property: Range(1L, long.MaxValue)] long? UserId = null);

public sealed record ChargePointsResponse(string ChargeId, long Amount, long Balance)
{
    internal const string ExampleId = "019a3c61-0c3f-7e92-a4b5-6d18f0c35704";

    internal static ChargePointsResponse Example => new(ExampleId, 100_000, 100_000);
}

/// <summary>
/// Charges points, once per idempotency key: the key's row, the ledger row and the balance change in one transaction. The
/// key is the caller's; the points may be another user's when the caller is a cashier, that is the payment service. Users
/// charge themselves only where <c>Points__SelfCharge</c> allows it.
/// </summary>
internal static class ChargePoints
{
    public const long MaximumAmount = 10_000_000;
    public const long MaximumBalance = 1_000_000_000;
    private const string Call = "charge";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var route = routes.MapPost("/v1/points/charges", HandleAsync);
        var selfCharge = routes.ServiceProvider.GetRequiredService<Settings>().PointsSelfCharge;
        (selfCharge ? route.WithAccessToken() : route.WithCashier())
            .WithHighPriority()
            .WithName("ChargePoints").WithTags("Points").WithSummary("Charge points")
            .WithDescription(
                "A cashier (the payment service) charges the points of `userId`. Users charge their own, without `userId`, where the "
                + "installation allows it.")
            .WithRequestExample(static () => new ChargePointsRequest(100_000), "own points")
            .WithRequestExample(static () => new ChargePointsRequest(100_000, 7), "points of a user")
            .WithExample(static () => ChargePointsResponse.Example, StatusCodes.Status201Created)
            .WithIdempotencyKey()
            .Produces<ChargePointsResponse>(StatusCodes.Status201Created)
            .WithBodyProblems()
            .WithProblems(
                Problems.IdempotencyKeyMissing, Problems.IdempotencyKeyInUse, Problems.IdempotencyKeyReused,
                Problems.Forbidden, Problems.BalanceLimitExceeded, Problems.DatabaseUnavailable);
    }

    private static async Task<IResult> HandleAsync(
        ChargePointsRequest request, HttpContext context, Settings settings, PointCharges charges, SingleFlight inFlight,
        UserWriteLimiter writes)
    {
        var caller = context.Features.Get<User>()!;
        if (Refuse(request, caller, settings.PointsSelfCharge) is { } refusal)
        {
            return refusal;
        }

        var target = request.UserId ?? caller.Id;
        var body = string.Create(CultureInfo.InvariantCulture, $"{request.Amount}{(target == caller.Id ? "" : $" for {target}")}");
        if (!IdempotentCall.TryRead(context, caller.Id, Call, body, out var call, out var keyProblem))
        {
            return keyProblem;
        }

        // Limited by the user whose row it locks: one cashier charges for all users.
        using var turn = await writes.AcquireAsync(target, context.RequestAborted);
        return turn is null
            ? Problems.TooManyRequests
            : await inFlight.RunAsync(call, () => charges.ChargeAsync(new(call, target, request.Amount)));
    }

    /// <summary>Which users a caller may not charge. Where users may not charge themselves, only cashiers get here.</summary>
    private static Problem? Refuse(ChargePointsRequest request, User caller, bool selfCharge) => request.UserId switch
    {
        null when !selfCharge => Problem.Invalid("userId", "Whose points are charged is missing."),
        { } target when target != caller.Id && !caller.IsCashier => Problems.Forbidden,
        _ => null,
    };

    /// <summary>
    /// The remembered answer to <c>point_tx t</c>. Its JSON must equal the record <see cref="ChargePointsResponse"/>: PointsTests
    /// compares it with the schema that the OpenAPI document has of the record.
    /// </summary>
    public static string AnswerSql { get; } =
        $$"""CONCAT('{"chargeId":"', {{UuidSql.Text("t.point_tx_id")}}, '","amount":', t.amount, ',"balance":', t.balance_after, '}')""";

    /// <summary>One transaction in one round trip, then the key's row.</summary>
    public static readonly StoredProcedure Procedure = new("charge_points", IdempotencySql.Parameters + """
        , @target BIGINT, @amount BIGINT, @limit BIGINT
        """,
        // Locks the row of the user who is charged, so that the balance read below is the one that is changed. The cashier's
        // own row is left alone: the charges of one cashier do not wait for each other.
        """
        START TRANSACTION;
        INSERT INTO user_point_balance (user_id, balance) VALUES (@target, 0) ON DUPLICATE KEY UPDATE balance = balance;

        """ + IdempotencySql.TakeKey
        // The ledger row, only in the transaction that claimed the key, and the balance only with it.
        + """
        INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
          SELECT @attempt, b.user_id, 'CHARGE', @amount, b.balance + @amount, @attempt
          FROM user_point_balance b JOIN
        """ + " " + IdempotencySql.Claim + """

          WHERE b.user_id = @target AND b.balance + @amount <= @limit;
        UPDATE user_point_balance b JOIN point_tx t ON t.point_tx_id = @attempt
          SET b.balance = t.balance_after WHERE b.user_id = @target;

        """
        // The remembered answer, only with the ledger row.
        + $"""
        UPDATE idempotency i JOIN point_tx t ON t.point_tx_id = @attempt SET i.answer = {AnswerSql}
          WHERE i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt;
        """ + IdempotencySql.End);
}

[JsonSerializable(typeof(ChargePointsRequest))]
[JsonSerializable(typeof(ChargePointsResponse))]
internal sealed partial class ChargePointsJson : JsonSerializerContext;
