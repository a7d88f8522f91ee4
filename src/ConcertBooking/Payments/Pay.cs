using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Payments;

public sealed record PayRequest([property: Required, StringLength(64)] string ReservationId);

/// <param name="Amount">Whole points: the price at the time of the hold.</param>
/// <param name="Balance">What is left.</param>
public sealed record PaymentResponse(string PaymentId, string ReservationId, long Amount, long Balance, DateTime PaidAt);

/// <summary>
/// Pays a held seat, once: the hold, the balance, the payment, the ledger row, the event and the remembered answer
/// change in one transaction, decided by one conditional UPDATE, or not at all.
/// </summary>
internal static class Pay
{
    private const string Call = "pay";

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/payments", HandleAsync)
            .WithHighPriority()
            .WithName("Pay").WithTags("Payments").WithSummary("Pay a held seat")
            .WithQueueToken()
            .LimitedPerUser()
            .CountedAs(static metrics => metrics.Payments, success: "paid")
            .WithIdempotencyKey()
            .Produces<PaymentResponse>(StatusCodes.Status201Created)
            .WithBodyProblems()
            .WithProblems(
                Problems.IdempotencyKeyMissing, Problems.InsufficientPoints, Problems.QueueTokenNotActive, Problems.ReservationNotFound,
                Problems.AlreadyPaid, Problems.IdempotencyKeyInUse, Problems.HoldExpired, Problems.IdempotencyKeyReused,
                Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        PayRequest request, HttpContext context, WaitingRoom room, MySqlDatabase database, IdempotentAnswers answers,
        UnpaidHolds unpaidHolds, SingleFlight inFlight, OutboxSignal outbox)
    {
        var token = context.QueueToken();
        var isId = Guid.TryParseExact(request.ReservationId, "D", out var reservationId);
        var body = isId ? reservationId.ToString() : request.ReservationId;
        if (!IdempotentCall.TryRead(context, token.UserId, Call, body, out var call, out var keyProblem))
        {
            return keyProblem;
        }

        return await inFlight.RunAsync(call, async () =>
        {
            var pass = await room.CheckAsync(token);
            if (pass is not PassStatus.Active && !(isId && await unpaidHolds.ContainsAsync(reservationId, token.UserId)))
            {
                // The first payment used the token up; its repeat must still get the first answer.
                return await answers.FindAsync(call)
                    ?? (pass is PassStatus.Gone ? Problems.QueueTokenExpired : Problems.QueueTokenNotActive);
            }

            if (!isId)
            {
                return await answers.FindAsync(call) ?? Problems.ReservationNotFound;
            }

            var outcome = await database.RunAsync(
                (connection, cancellationToken) => TryAsync(connection, call, reservationId, token.Queue, cancellationToken),
                CancellationToken.None);
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

    /// <summary>The seat is paid whether Redis can be reached or not.</summary>
    private static async Task GiveUpPlaceAsync(WaitingRoom room, QueueToken token)
    {
        try
        {
            await room.LeaveAsync(token);
        }
        catch (Exception exception) when (exception is RedisUnavailableException or BatchTimeoutException)
        {
            // The place ends with its admission.
        }
    }

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
        return Decide(answer, await reader.ReadAsync(cancellationToken) ? HoldRow.Read(reader) : null, queue);
    }

    /// <param name="LastHoldPaid">
    /// Paid by this request, and its user holds nothing else in this queue: the place is used up.
    /// </param>
    private readonly record struct Outcome(IResult Result, bool LastHoldPaid = false);

    /// <param name="answer">From the key's row: this payment, an earlier one, or that the key was used with another body.</param>
    /// <param name="hold">The user's reservation after the attempt; null when there is none.</param>
    /// <param name="queue">The queue token's.</param>
    private static Outcome Decide(IResult? answer, HoldRow? hold, string queue) => (answer, hold) switch
    {
        (StoredAnswer { Replayed: false } paid, { UnpaidHolds: 0 }) => new(paid, LastHoldPaid: true),
        ({ } stored, _) => new(stored),
        (null, null) => new(Problems.ReservationNotFound),
        (null, { Status: ReservationStatus.Confirmed }) => new(Problems.AlreadyPaid),
        (null, { Status: not ReservationStatus.Held } or { IsOverdue: true }) => new(Problems.HoldExpired),
        (null, { } held) when held.Queue != queue => new(Problems.QueueTokenNotActive),
        _ => new(Problems.InsufficientPoints),
    };

    /// <param name="IsOverdue">Still <c>HELD</c> past its end by the database's clock.</param>
    /// <param name="UnpaidHolds">How many seats its user holds in the queue of the token.</param>
    private sealed record HoldRow(string Status, bool IsOverdue, string Queue, long UnpaidHolds)
    {
        /// <summary>After COMMIT, so a plain read of what is now true.</summary>
        public const string Sql = """
            SELECT r.status, r.status = 'HELD' AND r.held_expires_at <= NOW(3) AS overdue, c.queue_name,
                   (SELECT COUNT(*) FROM reservation h
                    JOIN concert_schedule hs ON hs.schedule_id = h.schedule_id JOIN concert hc ON hc.concert_id = hs.concert_id
                    WHERE h.user_id = @user AND h.status = 'HELD' AND h.held_expires_at > NOW(3) AND hc.queue_name = @queue) AS unpaid
              FROM reservation r JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
              WHERE r.reservation_id = @reservation AND r.user_id = @user;
            """;

        public static HoldRow Read(MySqlDataReader row) => new(
            Status: row.GetString(0), IsOverdue: row.GetBoolean(1), Queue: row.GetString(2), UnpaidHolds: row.GetInt64(3));
    }

    /// <summary>
    /// One transaction in one round trip, then two results: the key's row, and the <see cref="HoldRow"/> that says why there
    /// is no answer.
    /// </summary>
    public static readonly StoredProcedure Procedure = new("pay", IdempotencySql.Parameters + """
        , @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @reservation BINARY(16),
        @reservationText CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
        """ + " " + """
        @paymentText CHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
        @event BINARY(16), @traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin
        """, IdempotencySql.Begin
        // Decides the race under the reservation's row lock: the user's own, held, not overdue, of the token's queue, affordable.
        // change_id marks the row as changed by this attempt; every later statement depends on that mark.
        + """
        UPDATE reservation r JOIN user_point_balance b ON b.user_id = r.user_id
          JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
          JOIN
        """ + " " + IdempotencySql.Claim + """

          SET r.status = 'CONFIRMED', r.change_id = @attempt, b.balance = b.balance - r.price
          WHERE r.reservation_id = @reservation AND r.user_id = @user AND r.status = 'HELD' AND r.held_expires_at > NOW(3)
            AND b.balance >= r.price AND c.queue_name = @queue;

        """
        // The payment and its ledger row: none without the mark, and payment.reservation_id is unique as well.
        + """
        INSERT INTO payment (payment_id, reservation_id, user_id, amount)
          SELECT @attempt, r.reservation_id, r.user_id, r.price
          FROM reservation r WHERE r.reservation_id = @reservation AND r.change_id = @attempt;
        INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
          SELECT @attempt, p.user_id, 'USE', p.amount, b.balance, p.payment_id
          FROM payment p JOIN user_point_balance b ON b.user_id = p.user_id WHERE p.payment_id = @attempt;

        """
        // The event, only with the payment. Its JSON must equal the record PaymentCompleted, which the consumers read strictly
        // (ConsumerTests), and the schema of payment.completed.v1 in deploy/asyncapi.yaml (AsyncApiTests compares all members).
        + """
        INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
          SELECT @event, 'concert-booking.payments', 'payment.completed.v1', r.reservation_id,
            CONCAT('{"paymentId":"', @paymentText, '","reservationId":"', @reservationText, '","userId":', p.user_id,
              ',"concertId":', s.concert_id, ',"scheduleId":', r.schedule_id, ',"seatNo":', r.seat_no, ',"amount":', p.amount,
              ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}'), @traceparent
          FROM payment p JOIN reservation r ON r.reservation_id = p.reservation_id
          JOIN concert_schedule s ON s.schedule_id = r.schedule_id WHERE p.payment_id = @attempt;

        """
        // The remembered answer, only with the payment. Its JSON must equal the record PaymentResponse: PayTests compares it, member
        // by member, with GET /v1/payments/{paymentId}, which serializes the record.
        + """
        UPDATE idempotency i JOIN payment p ON p.payment_id = @attempt JOIN point_tx t ON t.point_tx_id = @attempt
          SET i.answer = CONCAT('{"paymentId":"', @paymentText, '","reservationId":"', @reservationText, '","amount":', p.amount,
            ',"balance":', t.balance_after, ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}')
          WHERE i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt;
        """ + IdempotencySql.End + HoldRow.Sql);
}

[JsonSerializable(typeof(PayRequest))]
[JsonSerializable(typeof(PaymentResponse))]
internal sealed partial class PayJson : JsonSerializerContext;
