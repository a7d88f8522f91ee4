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
/// Holds a seat: of all who want it exactly one succeeds. The seat row's conditional UPDATE decides, the unique
/// column reservation.live guards; Redis only spares MySQL those who come for a seat that somebody has just got.
/// </summary>
internal static class HoldSeat
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/reservations", HandleAsync)
            .WithHighPriority()
            .WithName("HoldSeat").WithTags("Reservations").WithSummary("Hold a seat")
            .WithQueueToken()
            .LimitedPerUser()
            .ValidatedByHand()
            .CountedAs(static metrics => metrics.Holds, success: "held")
            .Produces<ReservationResponse>(StatusCodes.Status201Created)
            .Produces<ReservationResponse>()
            .WithHeader("Location", "The reservation.", status: 201)
            .WithBodyProblems()
            .WithProblems(
                Problems.QueueTokenNotActive, Problems.ScheduleNotFound, Problems.SeatNotFound, Problems.SeatTaken,
                Problems.ScheduleClosed, Problems.HoldLimitReached, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        HoldSeatRequest request, HttpContext context, WaitingRoom room, MySqlDatabase database, HoldExpiry holds, HoldLimits limits,
        OutboxSignal outbox, AdmissionController admission, Settings settings)
    {
        if (request.ScheduleId < 1 || request.SeatNo < 1)
        {
            return Problem.Invalid(request.ScheduleId < 1 ? "scheduleId" : "seatNo", "Must be at least 1.");
        }

        var started = Stopwatch.GetTimestamp();
        var token = context.QueueToken();
        var locks = !limits.IsReached(token.UserId);
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

    /// <summary>
    /// One transaction, one round trip, kept by MySQL:
    /// the user's row first, so that parallel holds of one user count each other;
    /// the limit and the schedule read into variables, because within the UPDATE they would be locking reads, whose
    /// gap locks set users who hold nothing yet against each other;
    /// the seat taken only if nobody claims it, or only a reservation known to be dead (@dead);
    /// the reservation and its event written only for the claim that is now in the seat.
    /// The last statement tells the outcome, or why there was none.
    /// </summary>
    public static readonly StoredProcedure Procedure = new("hold_seat", """
        @user BIGINT, @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @schedule BIGINT, @seat INT, @dead BINARY(16),
        @holdSeconds INT, @holdsPerUser INT,
        """ + OutboxEvents.ReservationEventParameters, """
        DECLARE @held, @open BIGINT;
        START TRANSACTION;
        INSERT INTO user_point_balance (user_id, balance) VALUES (@user, 0) ON DUPLICATE KEY UPDATE balance = balance;
        SELECT COUNT(*) INTO @held FROM reservation h
          WHERE h.user_id = @user AND h.status = 'HELD' AND h.held_expires_at > NOW(3);
        SELECT COUNT(*) INTO @open FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id
          WHERE s.schedule_id = @schedule AND s.starts_at > NOW(3) AND c.queue_name = @queue;
        UPDATE seat SET reservation_id = @reservation
          WHERE schedule_id = @schedule AND seat_no = @seat AND (reservation_id IS NULL OR reservation_id = @dead)
            AND @open = 1 AND @held < @holdsPerUser;
        INSERT INTO reservation (reservation_id, user_id, schedule_id, seat_no, status, price, held_expires_at)
          SELECT t.reservation_id, @user, t.schedule_id, t.seat_no, 'HELD', s.price, TIMESTAMPADD(SECOND, @holdSeconds, NOW(3))
          FROM seat t JOIN concert_schedule s ON s.schedule_id = t.schedule_id
          WHERE t.schedule_id = @schedule AND t.seat_no = @seat AND t.reservation_id = @reservation;

        """ + OutboxEvents.ReservationEventSql + """
          WHERE r.reservation_id = @reservation;
        COMMIT;
        SELECT s.starts_at <= NOW(3) AS closed, c.queue_name, t.seat_no IS NOT NULL AS seat_exists,
               (SELECT COUNT(*) FROM reservation h
                WHERE h.user_id = @user AND h.status = 'HELD' AND h.held_expires_at > NOW(3)) AS held,
               r.reservation_id, r.user_id, r.price, r.held_expires_at, r.status,
               r.status = 'HELD' AND r.held_expires_at <= NOW(3) AS overdue, t.reservation_id AS claim,
               r.status = 'CONFIRMED' OR r.held_expires_at > TIMESTAMPADD(SECOND, 1, NOW(3)) AS lasting
          FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id
          LEFT JOIN seat t ON t.schedule_id = s.schedule_id AND t.seat_no = @seat
          LEFT JOIN reservation r ON r.reservation_id = t.reservation_id
          WHERE s.schedule_id = @schedule;
        """);

    /// <summary>A claim that turned out dead is buried and the hold tried again; others may come between, so not for ever.</summary>
    private const int Attempts = 4;

    /// <returns>The answer, and whose the seat is for more than a moment, if it is somebody's.</returns>
    private static async Task<(IResult Answer, long? Owner)> HoldAsync(
        HoldSeatRequest request, QueueToken token, MySqlDatabase database, HoldExpiry holds, HoldLimits limits, Settings settings)
    {
        Guid? dead = null;
        var made = new List<Guid>(1);
        var deadline = MySqlLimits.Request; // for all attempts together
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            Outcome outcome;
            try
            {
                outcome = await database.RunAsync(
                    (connection, cancellationToken) => TryAsync(connection, request, token, dead, made, settings, cancellationToken), CancellationToken.None, deadline);
            }
            catch (MySqlException exception) when (exception.ErrorCode == MySqlErrorCode.DuplicateKeyEntry)
            {
                // Somebody wrote a live reservation past the seat row; the schema's guard held.
                return (Problems.SeatTaken, null);
            }

            if (outcome.Result is { } result)
            {
                if (outcome.HeldByUser is { } held)
                {
                    limits.Learn(token.UserId, held >= settings.HoldsPerUser);
                }

                return (result, outcome.Owner);
            }

            dead = outcome.Dead;
            if (outcome.Overdue)
            {
                // Expiring frees the seat, unless a payment that was under way came first: then the claim is alive.
                await holds.ExpireAsync([dead!.Value], deadline);
                dead = null;
            }
        }

        return (Problems.SeatTaken, null);
    }

    /// <summary>Either an answer, or the claim of a reservation that is no longer live.</summary>
    private readonly record struct Outcome(IResult? Result, Guid? Dead = null, bool Overdue = false, long? Owner = null, long? HeldByUser = null);

    private static async Task<Outcome> TryAsync(
        MySqlConnection connection, HoldSeatRequest request, QueueToken token, Guid? dead, List<Guid> made, Settings settings,
        CancellationToken cancellationToken)
    {
        var reservationId = Guid.CreateVersion7();
        made.Add(reservationId);
        await using var command = Procedure.Call(connection);
        command.Parameters.AddWithValue("@user", token.UserId);
        command.Parameters.AddWithValue("@queue", token.Queue);
        command.Parameters.AddWithValue("@schedule", request.ScheduleId);
        command.Parameters.AddWithValue("@seat", request.SeatNo);
        command.Parameters.AddWithValue("@dead", dead);
        command.Parameters.AddWithValue("@holdSeconds", (int)settings.Hold.TotalSeconds);
        command.Parameters.AddWithValue("@holdsPerUser", settings.HoldsPerUser);
        OutboxEvents.AddTo(command.Parameters, reservationId, ReservationEvent.Held);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? Read(reader, request, token, made, settings) with { HeldByUser = reader.GetInt64(3) }
            : new Outcome(Problems.ScheduleNotFound);
    }

    /// <param name="made">The ids that this request tried: one of them is new, also when MySQL's word of it was lost and the service asked again.</param>
    private static Outcome Read(MySqlDataReader row, HoldSeatRequest request, QueueToken token, List<Guid> made, Settings settings)
    {
        Guid? claim = row.IsDBNull(10) ? null : row.GetGuid(10);
        Guid? claimant = row.IsDBNull(4) ? null : row.GetGuid(4);
        if (claimant is { } id && row.GetInt64(5) == token.UserId && row.GetString(8) == "HELD" && !row.GetBoolean(9))
        {
            var response = new ReservationResponse(
                id.ToString(), request.ScheduleId, request.SeatNo, "HELD", row.GetInt64(6), row.GetDateTime(7));
            return new Outcome(
                made.Contains(id) ? TypedResults.Created($"/v1/reservations/{id}", response) : TypedResults.Ok(response),
                Owner: row.GetBoolean(11) ? token.UserId : null);
        }

        if (row.GetString(1) != token.Queue)
        {
            return new Outcome(Problems.QueueTokenNotActive);
        }

        if (!row.GetBoolean(2))
        {
            return new Outcome(Problems.SeatNotFound);
        }

        if (row.GetBoolean(0))
        {
            return new Outcome(Problems.ScheduleClosed);
        }

        if (claimant is not null && !row.GetBoolean(9) && row.GetString(8) is "HELD" or "CONFIRMED")
        {
            return new Outcome(Problems.SeatTaken, Owner: row.GetBoolean(11) ? row.GetInt64(5) : null);
        }

        return row.GetInt64(3) >= settings.HoldsPerUser
            ? new Outcome(Problems.HoldLimitReached)
            : new Outcome(null, claim, claimant is not null && row.GetBoolean(9));
    }
}

[JsonSerializable(typeof(HoldSeatRequest))]
internal sealed partial class HoldSeatJson : JsonSerializerContext;
