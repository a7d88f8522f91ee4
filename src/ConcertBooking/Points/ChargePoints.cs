using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json.Serialization;
using MySqlConnector;

namespace ConcertBooking.Points;

/// <param name="Amount">Whole points.</param>
/// <param name="UserId">Whose points; only a cashier names another user than himself.</param>
public sealed record ChargePointsRequest(
    [property: Range(1L, ChargePoints.MaximumAmount)] long Amount, [property: Range(1L, long.MaxValue)] long? UserId = null);

public sealed record ChargePointsResponse(string ChargeId, long Amount, long Balance);

/// <summary>
/// Adds points, once per idempotency key: the key's row, the ledger row and the balance change commit together. The key is
/// the caller's; the points may be another user's when the caller is a cashier, that is the payment service. Users charge
/// themselves only where <c>Points__SelfCharge</c> says so.
/// </summary>
public static class ChargePoints
{
    internal const long MaximumAmount = 10_000_000;
    internal const long MaximumBalance = 1_000_000_000;
    private const string Call = "charge";

    internal static void Map(IEndpointRouteBuilder routes)
    {
        var route = routes.MapPost("/v1/points/charges", HandleAsync);
        var selfCharge = routes.ServiceProvider.GetRequiredService<Settings>().PointsSelfCharge;
        (selfCharge ? route.WithAccessToken() : route.WithCashier())
            .WithHighPriority()
            .WithName("ChargePoints").WithTags("Points").WithSummary("Charge points")
            .WithDescription("A cashier (the payment service) charges the points of `userId`. Users charge their own, without `userId`, where the installation allows it.")
            .WithHeader("Idempotency-Key", "1 to 255 printable ASCII characters; a repeat with the same body gets the first answer again.", required: true)
            .Produces<ChargePointsResponse>(StatusCodes.Status201Created)
            .WithHeader("Idempotency-Replayed", "true when this is the first answer again.", status: 201)
            .WithBodyProblems()
            .WithProblems(
                Problems.IdempotencyKeyMissing, Problems.IdempotencyKeyInUse, Problems.IdempotencyKeyReused,
                Problems.Forbidden, Problems.BalanceLimitExceeded, Problems.DatabaseUnavailable);
    }

    private static async Task<IResult> HandleAsync(
        ChargePointsRequest request, HttpContext context, Settings settings, MySqlDatabase database, SingleFlight inFlight, UserWriteLimiter writes)
    {
        var caller = context.Features.Get<User>()!;
        if (Refuse(request, caller, settings.PointsSelfCharge) is { } refusal)
        {
            return refusal;
        }

        var target = request.UserId ?? caller.Id;
        var body = string.Create(CultureInfo.InvariantCulture, $"{request.Amount}{(target == caller.Id ? "" : $" for {target}")}");
        if (IdempotentCall.Read(context, caller.Id, Call, body, out var call) is { } problem)
        {
            return problem;
        }

        // By the user whose row it locks: one cashier charges for everybody.
        using var turn = await writes.AcquireAsync(target, context.RequestAborted);
        return turn is null
            ? Problems.TooManyRequests
            : await inFlight.RunAsync(call!, () => database.RunAsync((connection, token) => ChargeAsync(connection, call!, target, request.Amount, token), CancellationToken.None));
    }

    /// <summary>Whom a caller may not charge. Where users may not charge themselves, only cashiers get here.</summary>
    private static Problem? Refuse(ChargePointsRequest request, User caller, bool selfCharge) => request.UserId switch
    {
        null when !selfCharge => Problem.Invalid("userId", "Whose points are charged is missing."),
        { } target when target != caller.Id && !caller.IsCashier => Problems.Forbidden,
        _ => null,
    };

    /// <summary>
    /// One round trip, kept by MySQL. The row of the user who is charged is locked by the first statement, so the balance read for
    /// the ledger row is the one that the last UPDATE changes. The cashier has no row in it that charges would wait for.
    /// </summary>
    internal static readonly StoredProcedure Procedure = new("charge_points", IdempotencySql.Parameters + """
        , @id CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, @target BIGINT, @amount BIGINT, @limit BIGINT
        """, """
        START TRANSACTION;
        INSERT INTO user_point_balance (user_id, balance) VALUES (@target, 0) ON DUPLICATE KEY UPDATE balance = balance;

        """ + IdempotencySql.TakeKey + """
        INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
          SELECT @attempt, b.user_id, 'CHARGE', @amount, b.balance + @amount, @attempt
          FROM user_point_balance b JOIN
        """ + " " + IdempotencySql.Claim + """

          WHERE b.user_id = @target AND b.balance + @amount <= @limit;
        UPDATE user_point_balance b JOIN point_tx t ON t.point_tx_id = @attempt
          SET b.balance = t.balance_after WHERE b.user_id = @target;
        UPDATE idempotency i JOIN point_tx t ON t.point_tx_id = @attempt
          SET i.answer = CONCAT('{"chargeId":"', @id, '","amount":', t.amount, ',"balance":', t.balance_after, '}')
          WHERE i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt;
        """ + IdempotencySql.End);

    private static async Task<IResult> ChargeAsync(MySqlConnection connection, IdempotentCall call, long target, long amount, CancellationToken cancellationToken)
    {
        await using var command = Procedure.Call(connection);
        var chargeId = call.AddTo(command);
        command.Parameters.AddWithValue("@id", chargeId.ToString());
        command.Parameters.AddWithValue("@target", target);
        command.Parameters.AddWithValue("@amount", amount);
        command.Parameters.AddWithValue("@limit", MaximumBalance);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await IdempotencySql.ReadAnswerAsync(reader, call, cancellationToken) ?? Problems.BalanceLimitExceeded;
    }
}

[JsonSerializable(typeof(ChargePointsRequest))]
[JsonSerializable(typeof(ChargePointsResponse))]
internal sealed partial class ChargePointsJson : JsonSerializerContext;
