using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Bookings;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Payments;

/// <param name="BookingId">What is paid; or <paramref name="ReservationId"/>, which names the booking that it is in.</param>
public sealed record PayRequest(
    [property: StringLength(64)] string? BookingId = null, [property: StringLength(64)] string? ReservationId = null);

/// <summary>
/// Pays a held booking, once: the hold, the balance, the payment, the ledger row, the event and the remembered answer
/// change in one transaction, decided by one conditional UPDATE, or not at all.
/// </summary>
internal static class Pay
{
    private const string Call = "pay";

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/payments", HandleAsync)
            .WithHighPriority()
            .WithName("Pay").WithTags("Payments").WithSummary("Pay a held booking")
            .WithDescription(
                "Pays all seats of a held booking with the caller's points, once. Name the booking, or one of its reservations. A "
                + "successful payment uses the queue token up, unless the caller still holds other unpaid seats.")
            .WithRequestExample(static () => new PayRequest(BookingId: BookingResponse.ExampleId), "booking")
            .WithRequestExample(static () => new PayRequest(ReservationId: ReservationResponse.ExampleId), "reservation")
            .WithExample(static () => PaymentResponse.Example, StatusCodes.Status201Created)
            .WithQueueToken()
            .LimitedPerUser()
            .CountedAs(static metrics => metrics.Payments, success: "paid")
            .WithIdempotencyKey()
            .Produces<PaymentResponse>(StatusCodes.Status201Created)
            .WithBodyProblems()
            .WithProblems(
                Problems.IdempotencyKeyMissing, Problems.InsufficientPoints, Problems.QueueTokenNotActive, Problems.ReservationNotFound,
                Problems.BookingNotFound,
                Problems.AlreadyPaid, Problems.IdempotencyKeyInUse, Problems.HoldExpired, Problems.IdempotencyKeyReused,
                Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        PayRequest request, HttpContext context, WaitingRoom room, MySqlDatabase database, IdempotentAnswers answers,
        UnpaidHolds unpaidHolds, SingleFlight inFlight, OutboxSignal outbox)
    {
        if (string.IsNullOrWhiteSpace(request.BookingId) == string.IsNullOrWhiteSpace(request.ReservationId))
        {
            return Problem.Invalid("bookingId", "Either bookingId or reservationId must be given.");
        }

        var token = context.QueueToken();
        var namesBooking = !string.IsNullOrWhiteSpace(request.BookingId);
        var named = namesBooking ? request.BookingId! : request.ReservationId!;
        var isId = Guid.TryParseExact(named, "D", out var id);
        (Guid? bookingId, Guid? reservationId) = namesBooking ? ((Guid?)id, (Guid?)null) : (null, id);
        var body = (namesBooking ? "booking " : "") + (isId ? id.ToString() : named);
        if (!IdempotentCall.TryRead(context, token.UserId, Call, body, out var call, out var keyProblem))
        {
            return keyProblem;
        }

        var notFound = namesBooking ? Problems.BookingNotFound : Problems.ReservationNotFound;
        return await inFlight.RunAsync(call, async () =>
        {
            var pass = await room.CheckAsync(token);
            if (pass is not PassStatus.Active && !(isId && await unpaidHolds.ContainsAsync(id, token.UserId)))
            {
                // The first payment used the token up; its repeat must still get the first answer.
                return await answers.FindAsync(call)
                    ?? (pass is PassStatus.Gone ? Problems.QueueTokenExpired : Problems.QueueTokenNotActive);
            }

            if (!isId)
            {
                return await answers.FindAsync(call) ?? notFound;
            }

            var outcome = await database.RunAsync(
                (connection, cancellationToken) => TryAsync(
                    connection, call, bookingId, reservationId, token.Queue, notFound, cancellationToken),
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
        MySqlConnection connection, IdempotentCall call, Guid? bookingId, Guid? reservationId, string queue, Problem notFound,
        CancellationToken cancellationToken)
    {
        await using var command = Procedure.Call(connection);
        call.AddTo(command);
        command.Parameters.AddWithValue("@queue", queue);
        command.Parameters.AddWithValue("@named", bookingId);
        command.Parameters.AddWithValue("@reservation", reservationId);
        command.Parameters.AddWithValue("@event", Guid.CreateVersion7());
        command.Parameters.AddWithValue("@traceparent", Instrumentation.TraceParent);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var answer = await IdempotencySql.ReadAnswerAsync(reader, call, cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        return Decide(answer, await reader.ReadAsync(cancellationToken) ? HoldRow.Read(reader) : null, queue, notFound);
    }

    /// <param name="LastHoldPaid">
    /// Paid by this request, and its user holds nothing else in this queue: the place is used up.
    /// </param>
    private readonly record struct Outcome(IResult Result, bool LastHoldPaid = false);

    /// <param name="answer">From the key's row: this payment, an earlier one, or that the key was used with another body.</param>
    /// <param name="hold">The user's booking after the attempt; null when there is none.</param>
    /// <param name="queue">The queue token's.</param>
    private static Outcome Decide(IResult? answer, HoldRow? hold, string queue, Problem notFound) => (answer, hold) switch
    {
        (StoredAnswer { Replayed: false } paid, { UnpaidHolds: 0 }) => new(paid, LastHoldPaid: true),
        ({ } stored, _) => new(stored),
        (null, null) => new(notFound),
        (null, { Status: ReservationStatus.Confirmed }) => new(Problems.AlreadyPaid),
        (null, { Status: not ReservationStatus.Held } or { IsOverdue: true }) => new(Problems.HoldExpired),
        (null, { } held) when held.Queue != queue => new(Problems.QueueTokenNotActive),
        _ => new(Problems.InsufficientPoints),
    };

    /// <param name="Status">Of one of its seats: of one that is paid, or else held, if there is any.</param>
    /// <param name="IsOverdue">Still <c>HELD</c> past its end by the database's clock.</param>
    /// <param name="UnpaidHolds">How many seats its user holds in the queue of the token.</param>
    private sealed record HoldRow(string Status, bool IsOverdue, string Queue, long UnpaidHolds)
    {
        /// <summary>After COMMIT or ROLLBACK, so a plain read of what is now true.</summary>
        public const string Sql = """
            SELECT r.status, r.status = 'HELD' AND r.held_expires_at <= NOW(3) AS overdue, c.queue_name,
                   (SELECT COUNT(*) FROM reservation h FORCE INDEX (reservation_user)
                    JOIN concert_schedule hs ON hs.schedule_id = h.schedule_id JOIN concert hc ON hc.concert_id = hs.concert_id
                    WHERE h.user_id = @user AND h.status = 'HELD' AND h.held_expires_at > NOW(3) AND hc.queue_name = @queue) AS unpaid
              FROM reservation r FORCE INDEX (reservation_booking)
              JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
              WHERE r.booking_id = @booking AND r.user_id = @user AND (@reservation IS NULL OR r.reservation_id = @reservation)
              ORDER BY r.status = 'CONFIRMED' DESC, r.status = 'HELD' DESC LIMIT 1;
            """;

        public static HoldRow Read(MySqlDataReader row) => new(
            Status: row.GetString(0), IsOverdue: row.GetBoolean(1), Queue: row.GetString(2), UnpaidHolds: row.GetInt64(3));
    }

    /// <summary>
    /// One transaction in one round trip, then two results: the key's row, and the <see cref="HoldRow"/> that says why there
    /// is no answer.
    /// </summary>
    public static readonly StoredProcedure Procedure = new("pay_booking", IdempotencySql.Parameters + """
        , @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @named BINARY(16), @reservation BINARY(16),
        @event BINARY(16), @traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin
        """,
        // A reservation names the booking that it is in; once released it is no longer in one of several seats. SELECT INTO is a plain
        // read; in DECLARE, SET or IF the same would lock the row, before the user's.
        """
        DECLARE @seats, @total, @before BIGINT DEFAULT 0;
        DECLARE @booking BINARY(16) DEFAULT @named;
        SELECT IF(status = 'RELEASED', reservation_id, COALESCE(booking_id, reservation_id)) INTO @booking
          FROM reservation WHERE reservation_id = @reservation;

        """ + IdempotencySql.Begin + BookingSql.Adopt
        // Decides the race under the row locks of the seats: the user's own, held, not overdue, of the token's queue, and the key not
        // used by another attempt. change_id marks the rows as changed by this attempt.
        + """
        UPDATE reservation r FORCE INDEX (reservation_booking) JOIN concert_schedule s ON s.schedule_id = r.schedule_id
          JOIN concert c ON c.concert_id = s.concert_id JOIN
        """ + " " + IdempotencySql.Claim + """

          SET r.status = 'CONFIRMED', r.change_id = @attempt, r.payment_id = @attempt
          WHERE r.booking_id = @booking AND r.user_id = @user AND r.status = 'HELD' AND r.held_expires_at > NOW(3)
            AND c.queue_name = @queue;
        SELECT COUNT(*), COALESCE(SUM(price), 0) INTO @seats, @total FROM reservation FORCE INDEX (reservation_booking)
          WHERE booking_id = @booking AND change_id = @attempt;
        SELECT balance INTO @before FROM user_point_balance WHERE user_id = @user;

        """
        // The user's row is locked since the beginning, so the balance is what it is now. Whatever is missing undoes all of it, the
        // claim of the key too: errors store nothing.
        + """
        IF @seats = 0 OR @before < @total THEN
          ROLLBACK;
          SELECT COALESCE(booking_id, @booking) INTO @booking FROM reservation WHERE reservation_id = @reservation;
        ELSE
          UPDATE user_point_balance SET balance = balance - @total WHERE user_id = @user;
          INSERT INTO payment (payment_id, booking_id, reservation_id, user_id, amount)
            SELECT @attempt, @booking, IF(@seats = 1, MIN(reservation_id), NULL), @user, @total
            FROM reservation FORCE INDEX (reservation_booking) WHERE booking_id = @booking AND change_id = @attempt;
          INSERT INTO point_tx (point_tx_id, user_id, type, amount, balance_after, reference)
            VALUES (@attempt, @user, 'USE', @total, @before - @total, @attempt);

        """ + BookingSql.Settle
        // The event. Its JSON must equal the record PaymentCompletedV2, which the consumers read strictly (ConsumerTests), and the
        // schema of payment.completed.v2 in deploy/asyncapi.yaml (AsyncApiTests compares all members).
        + $$"""
          INSERT INTO outbox (event_id, topic, event_type, event_key, payload, traceparent)
            SELECT @event, 'concert-booking.payments', '{{OutboxEvents.PaymentCompleted}}', p.booking_id,
              CONCAT('{"paymentId":"', {{UuidSql.Text("p.payment_id")}}, '","bookingId":"', {{UuidSql.Text("p.booking_id")}},
                '","userId":', p.user_id, ',"concertId":', s.concert_id, ',"scheduleId":', s.schedule_id,
                ',"seats":[', {{BookingEvents.SeatsSql}}, '],"amount":', p.amount,
                ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}'), @traceparent
            FROM payment p JOIN reservation r ON r.payment_id = p.payment_id
            JOIN concert_schedule s ON s.schedule_id = r.schedule_id {{BookingEvents.PlacesSql}}
            WHERE p.payment_id = @attempt GROUP BY p.payment_id;

        """
        // The remembered answer. Its JSON must equal the record PaymentResponse: PayTests compares it, member by member, with
        // GET /v1/payments/{paymentId}, which serializes the record.
        + $$"""
          UPDATE idempotency i JOIN payment p ON p.payment_id = @attempt
            SET i.answer = CONCAT('{"paymentId":"', {{UuidSql.Text("p.payment_id")}}, '","bookingId":"', {{UuidSql.Text("p.booking_id")}},
              '","reservationId":', IF(p.reservation_id IS NULL, 'null', CONCAT('"', {{UuidSql.Text("p.reservation_id")}}, '"')),
              ',"amount":', p.amount, ',"balance":', @before - @total,
              ',"paidAt":"', DATE_FORMAT(p.created_at, '%Y-%m-%dT%H:%i:%s.%fZ'), '"}')
            WHERE i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt;
          COMMIT;
        END IF;

        """ + IdempotencySql.Find + HoldRow.Sql);
}

[JsonSerializable(typeof(PayRequest))]
[JsonSerializable(typeof(PaymentResponse))]
internal sealed partial class PayJson : JsonSerializerContext;
