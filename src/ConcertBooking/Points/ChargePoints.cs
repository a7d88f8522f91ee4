using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Infrastructure;
using MySqlConnector;

namespace ConcertBooking.Points;

/// <param name="Amount">Whole points.</param>
public sealed record ChargePointsRequest([property: Range(1L, ChargePoints.MaximumAmount)] long Amount);

public sealed record ChargePointsResponse(string ChargeId, long Amount, long Balance);

/// <summary>
/// Adds points, once per idempotency key: the key's row, the ledger row and the balance change commit together.
/// </summary>
public static class ChargePoints
{
    internal const long MaximumAmount = 10_000_000;
    internal const long MaximumBalance = 1_000_000_000;
    private const string Call = "charge";

    internal static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/points/charges", Handle)
            .WithName("ChargePoints").WithTags("Points").WithSummary("Charge points")
            .WithAccessToken()
            .LimitedPerUser()
            .WithHeader("Idempotency-Key", "1 to 255 printable ASCII characters; a repeat with the same body gets the first answer again.", required: true)
            .Produces<ChargePointsResponse>(StatusCodes.Status201Created)
            .WithHeader("Idempotency-Replayed", "true when this is the first answer again.", status: 201)
            .WithBodyProblems()
            .WithProblems(
                Problems.IdempotencyKeyMissing, Problems.IdempotencyKeyInUse, Problems.IdempotencyKeyReused,
                Problems.BalanceLimitExceeded, Problems.DatabaseUnavailable);

    private static Task<IResult> Handle(ChargePointsRequest request, HttpContext context, MySql database, InFlight inFlight)
    {
        var body = request.Amount.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return IdempotentCall.Read(context, context.UserId(), Call, body, out var call) is { } problem
            ? Task.FromResult<IResult>(problem)
            : inFlight.Run(call!, () => database.Run((connection, token) => Charge(connection, call!, request.Amount, token), CancellationToken.None));
    }

    /// <summary>
    /// One round trip, kept by MySQL. The user's row is locked by the first statement, so the balance read for the ledger row is the
    /// one that the last UPDATE changes.
    /// </summary>
    internal static readonly Procedure Procedure = new("charge_points", Idempotency.Parameters + """
        , @id CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, @amount BIGINT, @limit BIGINT
        """, Idempotency.Begin + """
        INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
          SELECT @attempt, b.user_id, 'CHARGE', @amount, b.balance + @amount, @attempt
          FROM user_point_balance b JOIN
        """ + " " + Idempotency.Claim + """

          WHERE b.user_id = @user AND b.balance + @amount <= @limit;
        UPDATE user_point_balance b JOIN point_tx t ON t.point_tx_id = @attempt
          SET b.balance = t.balance_after WHERE b.user_id = @user;
        UPDATE idempotency i JOIN point_tx t ON t.point_tx_id = @attempt
          SET i.answer = CONCAT('{"chargeId":"', @id, '","amount":', t.amount, ',"balance":', t.balance_after, '}')
          WHERE i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt;
        """ + Idempotency.End);

    private static async Task<IResult> Charge(MySqlConnection connection, IdempotentCall call, long amount, CancellationToken cancellationToken)
    {
        await using var command = Procedure.Call(connection);
        var chargeId = call.AddTo(command);
        command.Parameters.AddWithValue("@id", chargeId.ToString());
        command.Parameters.AddWithValue("@amount", amount);
        command.Parameters.AddWithValue("@limit", MaximumBalance);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await Idempotency.ReadAnswer(reader, call, cancellationToken) ?? Problems.BalanceLimitExceeded;
    }
}

[JsonSerializable(typeof(ChargePointsRequest))]
[JsonSerializable(typeof(ChargePointsResponse))]
internal sealed partial class ChargePointsJson : JsonSerializerContext;
