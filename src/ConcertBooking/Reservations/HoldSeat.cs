using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json.Serialization;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using Microsoft.AspNetCore.Http.HttpResults;
using MySqlConnector;

namespace ConcertBooking.Reservations;

public sealed record HoldSeatRequest(
    [property: Range(1L, long.MaxValue)] long ScheduleId,
    [property: Range(1, int.MaxValue)] int SeatNo);

/// <summary>
/// Holds a seat: one live reservation a seat, by the conditional UPDATE of the seat row and the unique column
/// reservation.live. Redis only keeps requests for a seat that was just taken away from MySQL.
/// </summary>
internal static class HoldSeat
{
    /// <summary>A seat whose claim is no longer live is tried again; others may take it in between, so not for ever.</summary>
    private const int MaximumAttempts = 4;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/reservations", HandleAsync)
            .WithHighPriority()
            .WithName("HoldSeat").WithTags("Reservations").WithSummary("Hold a seat")
            .WithQueueToken()
            .LimitedPerUser()
            .CountedAs(static metrics => metrics.Holds, success: "held")
            .Produces<ReservationResponse>(StatusCodes.Status201Created)
            .Produces<ReservationResponse>()
            .WithHeader("Location", "The reservation.", status: 201)
            .WithBodyProblems()
            .WithProblems(
                Problems.QueueTokenNotActive, Problems.ScheduleNotFound, Problems.SeatNotFound, Problems.SeatTaken,
                Problems.ScheduleClosed, Problems.SalesNotOpen, Problems.SalesClosed, Problems.HoldLimitReached,
                Problems.PurchaseLimitReached, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        HoldSeatRequest request, HttpContext context, WaitingRoom room, MySqlDatabase database, HoldExpiry holds, HoldLimits limits,
        OutboxSignal outbox, AdmissionController admission, Settings settings)
    {
        var started = Stopwatch.GetTimestamp();
        var token = context.QueueToken();
        var locks = !limits.IsReached(token.UserId, request.ScheduleId);
        switch (await (locks ? room.CheckAndLockAsync(token, request.ScheduleId, request.SeatNo) : room.CheckAsync(token)))
        {
            case PassStatus.Gone:
                return Problems.QueueTokenExpired;
            case PassStatus.NotActive:
                return Problems.QueueTokenNotActive;
            case PassStatus.SeatBusy:
                return Problems.SeatTaken;
        }

        long? owner = null;
        try
        {
            (var answer, owner) = await HoldAsync(request, token, database, holds, limits, settings);
            if (answer is Created<ReservationResponse>)
            {
                outbox.Set();
            }

            return answer;
        }
        finally
        {
            admission.Held(Stopwatch.GetElapsedTime(started));
            if (locks)
            {
                await room.UnlockAsync(token, request.ScheduleId, request.SeatNo, owner);
            }
        }
    }

    private static async Task<(IResult Answer, long? Owner)> HoldAsync(
        HoldSeatRequest request, QueueToken token, MySqlDatabase database, HoldExpiry holds, HoldLimits limits, Settings settings)
    {
        Guid? dead = null;
        var attempted = new List<Guid>(1);
        var deadline = MySqlLimits.Request; // for all attempts together
        for (var attempt = 0; attempt < MaximumAttempts; attempt++)
        {
            SeatRow? seat;
            try
            {
                seat = await database.RunAsync(
                    (connection, cancellationToken) => TryAsync(connection, request, token, dead, attempted, settings, cancellationToken),
                    CancellationToken.None, deadline);
            }
            catch (MySqlException exception) when (exception.ErrorCode == MySqlErrorCode.DuplicateKeyEntry)
            {
                // A live reservation was written without the seat row; the schema's unique column refused a second one.
                return (Problems.SeatTaken, null);
            }

            if (Decide(seat, request, token, attempted) is { Answer: { } answer, Owner: var owner })
            {
                if (seat is not null)
                {
                    limits.Learn(token.UserId, request.ScheduleId, seat);
                }

                return (answer, owner);
            }

            dead = seat!.Claim;
            if (seat.Reservation is { IsOverdue: true } overdue)
            {
                // Expiring frees the seat, unless a payment that was under way came first: then the claim is alive.
                await holds.ExpireAsync([overdue.Id], deadline);
                dead = null;
            }
        }

        return (Problems.SeatTaken, null);
    }

    private static async Task<SeatRow?> TryAsync(
        MySqlConnection connection, HoldSeatRequest request, QueueToken token, Guid? dead, List<Guid> attempted, Settings settings,
        CancellationToken cancellationToken)
    {
        var reservationId = Guid.CreateVersion7();
        attempted.Add(reservationId);
        await using var command = Procedure.Call(connection);
        command.Parameters.AddWithValue("@user", token.UserId);
        command.Parameters.AddWithValue("@queue", token.Queue);
        command.Parameters.AddWithValue("@schedule", request.ScheduleId);
        command.Parameters.AddWithValue("@seat", request.SeatNo);
        command.Parameters.AddWithValue("@dead", dead);
        command.Parameters.AddWithValue("@holdSeconds", (int)settings.Hold.TotalSeconds);
        command.Parameters.AddWithValue("@holdsPerUser", settings.HoldsPerUser);
        command.Parameters.AddWithValue("@purchasesPerUser", settings.PurchasesPerUser);
        OutboxEvents.AddTo(command.Parameters, reservationId, ReservationEvent.Held);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? SeatRow.Read(reader) : null;
    }

    /// <param name="Answer">Null when the seat can be tried again: what claims it, if anything, is no longer live.</param>
    /// <param name="Owner">The user who has the seat for more than a moment, where the answer depends on it.</param>
    private readonly record struct Outcome(IResult? Answer, long? Owner = null);

    /// <param name="attempted">
    /// The ids that this request tried. A hold with one of them is new, even if it was committed by an attempt whose answer was lost.
    /// </param>
    private static Outcome Decide(SeatRow? seat, HoldSeatRequest request, QueueToken token, List<Guid> attempted) =>
        seat switch
        {
            null => new(Problems.ScheduleNotFound),
            { Reservation: { IsHeld: true } own } when own.UserId == token.UserId =>
                new(Held(own, request, isNew: attempted.Contains(own.Id)), own.LastingOwner),
            _ when seat.Queue != token.Queue => new(Problems.QueueTokenNotActive),
            { Exists: false } => new(Problems.SeatNotFound),
            { Sale.HasStarted: true } => new(Problems.ScheduleClosed),
            { Sale.OpensInSeconds: > 0 } => new(SalesNotOpen(seat.Sale.OpensInSeconds)),
            { Sale.IsClosed: true } => new(Problems.SalesClosed),
            { Reservation: { IsLive: true } live } => new(Problems.SeatTaken, live.LastingOwner),
            { HasAllHolds: true } => new(Problems.HoldLimitReached),
            { HasAllPurchases: true } => new(Problems.PurchaseLimitReached),
            _ => new(null),
        };

    /// <summary>Asks to come again when the sale opens, if that is within the hour.</summary>
    private static Problem SalesNotOpen(long seconds) =>
        seconds <= 3600 ? Problems.SalesNotOpen with { RetryAfterSeconds = (int)seconds } : Problems.SalesNotOpen;

    private static IResult Held(SeatReservation hold, HoldSeatRequest request, bool isNew)
    {
        var response = new ReservationResponse(
            hold.Id.ToString(), request.ScheduleId, request.SeatNo, hold.Status, hold.Price, hold.HeldUntil);
        return isNew ? TypedResults.Created($"/v1/reservations/{hold.Id}", response) : TypedResults.Ok(response);
    }

    /// <summary>One transaction in one round trip, then the state that it left, from which the answer follows.</summary>
    public static readonly StoredProcedure Procedure = new("hold_seat", """
        @user BIGINT, @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @schedule BIGINT, @seat INT, @dead BINARY(16),
        @holdSeconds INT, @holdsPerUser INT, @purchasesPerUser INT,
        """ + OutboxEvents.ReservationEventParameters,
        // Locks the user's row first, so that concurrent holds of one user count each other.
        """
        DECLARE @held, @owned, @open BIGINT;
        START TRANSACTION;
        INSERT INTO user_point_balance (user_id, balance) VALUES (@user, 0) ON DUPLICATE KEY UPDATE balance = balance;

        """
        // Plain reads into variables: within the UPDATE they would be locking reads, and their gap locks would make users
        // who hold nothing yet wait for each other.
        + """
        SELECT COUNT(*) INTO @held FROM reservation h
          WHERE h.user_id = @user AND h.status = 'HELD' AND h.held_expires_at > NOW(3);
        SELECT COUNT(*) INTO @owned FROM reservation h
          WHERE h.user_id = @user AND h.schedule_id = @schedule
            AND (h.status = 'CONFIRMED' OR h.status = 'HELD' AND h.held_expires_at > NOW(3));
        SELECT COUNT(*) INTO @open FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id
          WHERE s.schedule_id = @schedule AND s.seat_count >= @seat AND s.starts_at > NOW(3) AND c.queue_name = @queue
            AND (s.sales_open_at IS NULL OR s.sales_open_at <= NOW(3)) AND (s.sales_close_at IS NULL OR s.sales_close_at > NOW(3))
            AND COALESCE(s.max_per_user, @purchasesPerUser) IN (0, GREATEST(COALESCE(s.max_per_user, @purchasesPerUser), @owned + 1));

        """
        // Decides the race: the row lock lets one claim in at a time, and only if there is none, or one known to be dead.
        + """
        UPDATE seat SET reservation_id = @reservation
          WHERE schedule_id = @schedule AND seat_no = @seat AND (reservation_id IS NULL OR reservation_id = @dead)
            AND @open = 1 AND @held < @holdsPerUser;

        """
        // The reservation and its event exist only if the claim in the seat is this attempt's.
        + """
        INSERT INTO reservation (reservation_id, user_id, schedule_id, seat_no, status, price, held_expires_at)
          SELECT t.reservation_id, @user, t.schedule_id, t.seat_no, 'HELD', s.price, TIMESTAMPADD(SECOND, @holdSeconds, NOW(3))
          FROM seat t JOIN concert_schedule s ON s.schedule_id = t.schedule_id
          WHERE t.schedule_id = @schedule AND t.seat_no = @seat AND t.reservation_id = @reservation;

        """ + OutboxEvents.ReservationEventSql + """
          WHERE r.reservation_id = @reservation;
        COMMIT;

        """
        + SeatRow.Sql);
}

[JsonSerializable(typeof(HoldSeatRequest))]
internal sealed partial class HoldSeatJson : JsonSerializerContext;
