using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using MySqlConnector;

namespace ConcertBooking.Payments;

public sealed record PayRequest([property: Required, StringLength(Pay.LongestId)] string ReservationId);

/// <param name="Amount">Whole points: the price at the time of the hold.</param>
/// <param name="Balance">What is left.</param>
public sealed record PaymentResponse(string PaymentId, string ReservationId, long Amount, long Balance, DateTime PaidAt);

/// <summary>
/// Pays a held seat, once: the hold, the balance, the payment, the ledger row, the event and the remembered answer
/// change in one transaction, by one conditional UPDATE, or not at all.
/// </summary>
internal static class Pay
{
    private const string Call = "pay";
    public const int LongestId = 64;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/payments", HandleAsync)
            .WithHighPriority()
            .WithName("Pay").WithTags("Payments").WithSummary("Pay a held seat")
            .WithQueueToken()
            .LimitedPerUser()
            .ValidatedByHand()
            .CountedAs(static metrics => metrics.Payments, success: "paid")
            .WithHeader("Idempotency-Key", "1 to 255 printable ASCII characters; a repeat with the same body gets the first answer again.", required: true)
            .Produces<PaymentResponse>(StatusCodes.Status201Created)
            .WithHeader("Idempotency-Replayed", "true when this is the first answer again.", status: 201)
            .WithBodyProblems()
            .WithProblems(
                Problems.IdempotencyKeyMissing, Problems.InsufficientPoints, Problems.QueueTokenNotActive, Problems.ReservationNotFound,
                Problems.AlreadyPaid, Problems.IdempotencyKeyInUse, Problems.HoldExpired, Problems.IdempotencyKeyReused, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        PayRequest request, HttpContext context, WaitingRoom room, MySqlDatabase database, IdempotentAnswers answers, SingleFlight inFlight, OutboxSignal outbox)
    {
        if (string.IsNullOrWhiteSpace(request.ReservationId) || request.ReservationId.Length > LongestId)
        {
            return Problem.Invalid("reservationId", $"Must have 1 to {LongestId} characters, not only spaces.");
        }

        var token = context.QueueToken();
        var isId = Guid.TryParseExact(request.ReservationId, "D", out var reservationId);
        var body = isId ? reservationId.ToString() : request.ReservationId;
        if (IdempotentCall.Read(context, token.UserId, Call, body, out var call) is { } keyProblem)
        {
            return keyProblem;
        }

        return await inFlight.RunAsync(call!, async () =>
        {
            var pass = await room.CheckAsync(token);
            if (pass is not PassStatus.Active)
            {
                // The first payment used the token up; its repeat must still get the first answer.
                return await answers.FindAsync(call!)
                    ?? (pass is PassStatus.Gone ? Problems.QueueTokenExpired : Problems.QueueTokenNotActive);
            }

            if (!isId)
            {
                return await answers.FindAsync(call!) ?? Problems.ReservationNotFound;
            }

            var outcome = await database.RunAsync(
                (connection, cancellationToken) => TryAsync(connection, call!, reservationId, token.Queue, cancellationToken), CancellationToken.None);
            if (outcome.Result is StoredAnswer { Replayed: false })
            {
                outbox.Set();
            }

            if (outcome.LastHoldPaid)
            {
                await GiveUpPlaceAsync(room, token);
            }

            return outcome.Result;
        });
    }

    /// <summary>
    /// One transaction, one round trip, kept by MySQL. The UPDATE is the whole decision: ours, held, not overdue, of the token's
    /// queue, and affordable. change_id marks the row as changed by this attempt; all that follows asks for that mark.
    /// The last two statements tell the key's row and, if there is no answer in it, why.
    /// </summary>
    public static readonly StoredProcedure Procedure = new("pay", IdempotencySql.Parameters + """
        , @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @reservation BINARY(16),
        @reservationText CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, @paymentText CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
        @event BINARY(16), @traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin
        """, IdempotencySql.Begin + """
        UPDATE reservation r JOIN user_point_balance b ON b.user_id = r.user_id
          JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
          JOIN
        """ + " " + IdempotencySql.Claim + """

          SET r.status = 'CONFIRMED', r.change_id = @attempt, b.balance = b.balance - r.price
          WHERE r.reservation_id = @reservation AND r.user_id = @user AND r.status = 'HELD' AND r.held_expires_at > NOW(3)
            AND b.balance >= r.price AND c.queue_name = @queue;
        INSERT INTO payment (payment_id, reservation_id, user_id, amount)
          SELECT @attempt, r.reservation_id, r.user_id, r.price
          FROM reservation r WHERE r.reservation_id = @reservation AND r.change_id = @attempt;
        INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
          SELECT @attempt, p.user_id, 'USE', p.amount, b.balance, p.payment_id
          FROM payment p JOIN user_point_balance b ON b.user_id = p.user_id WHERE p.payment_id = @attempt;
        INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
          SELECT @event, 'concert-booking.payments', 'payment.completed.v1', r.reservation_id,
            CONCAT('{"paymentId":"', @paymentText, '","reservationId":"', @reservationText, '","userId":', p.user_id,
              ',"concertId":', s.concert_id, ',"scheduleId":', r.schedule_id, ',"seatNo":', r.seat_no, ',"amount":', p.amount,
              ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}'), @traceparent
          FROM payment p JOIN reservation r ON r.reservation_id = p.reservation_id
          JOIN concert_schedule s ON s.schedule_id = r.schedule_id WHERE p.payment_id = @attempt;
        UPDATE idempotency i JOIN payment p ON p.payment_id = @attempt JOIN point_tx t ON t.point_tx_id = @attempt
          SET i.answer = CONCAT('{"paymentId":"', @paymentText, '","reservationId":"', @reservationText, '","amount":', p.amount,
            ',"balance":', t.balance_after, ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}')
          WHERE i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt;
        """ + IdempotencySql.End + """
        SELECT r.status, r.status = 'HELD' AND r.held_expires_at <= NOW(3) AS overdue, c.queue_name,
               (SELECT COUNT(*) FROM reservation h
                JOIN concert_schedule hs ON hs.schedule_id = h.schedule_id JOIN concert hc ON hc.concert_id = hs.concert_id
                WHERE h.user_id = @user AND h.status = 'HELD' AND h.held_expires_at > NOW(3) AND hc.queue_name = @queue) AS unpaid
          FROM reservation r JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
          WHERE r.reservation_id = @reservation AND r.user_id = @user;
        """);

    private readonly record struct Outcome(IResult Result, bool LastHoldPaid = false);

    private static async Task<Outcome> TryAsync(
        MySqlConnection connection, IdempotentCall call, Guid reservationId, string queue, CancellationToken cancellationToken)
    {
        await using var command = Procedure.Call(connection);
        var paymentId = call.AddTo(command);
        command.Parameters.AddWithValue("@queue", queue);
        command.Parameters.AddWithValue("@reservation", reservationId);
        command.Parameters.AddWithValue("@reservationText", reservationId.ToString());
        command.Parameters.AddWithValue("@paymentText", paymentId.ToString());
        command.Parameters.AddWithValue("@event", Guid.CreateVersion7());
        command.Parameters.AddWithValue("@traceparent", Instrumentation.TraceParent);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var answer = await IdempotencySql.ReadAnswerAsync(reader, call, cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        var exists = await reader.ReadAsync(cancellationToken);
        if (answer is not null)
        {
            return new Outcome(answer, answer is StoredAnswer { Replayed: false } && exists && reader.GetInt64(3) == 0);
        }

        return new Outcome(!exists ? Problems.ReservationNotFound
            : reader.GetString(0) == "CONFIRMED" ? Problems.AlreadyPaid
            : reader.GetString(0) != "HELD" || reader.GetBoolean(1) ? Problems.HoldExpired
            : reader.GetString(2) != queue ? Problems.QueueTokenNotActive
            : Problems.InsufficientPoints);
    }

    /// <summary>The seat is paid whatever Redis says; a place that cannot be handed on now ends by itself.</summary>
    private static async Task GiveUpPlaceAsync(WaitingRoom room, QueueToken token)
    {
        try
        {
            await room.LeaveAsync(token);
        }
        catch (Exception exception) when (exception is RedisUnavailableException or BatchTimeoutException)
        {
            // It ends with its admission.
        }
    }
}

[JsonSerializable(typeof(PayRequest))]
[JsonSerializable(typeof(PaymentResponse))]
internal sealed partial class PayJson : JsonSerializerContext;
