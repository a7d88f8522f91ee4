using ConcertBooking.Events.Outbox;
using ConcertBooking.Queue.Room;
using MySqlConnector;

namespace ConcertBooking.Reservations;

/// <summary>Releases a held seat: released or paid, never both, because both change the same row on the same condition.</summary>
internal static class ReleaseSeat
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapDelete("/v1/reservations/{reservationId}", HandleAsync)
            .WithHighPriority()
            .WithName("ReleaseSeat").WithTags("Reservations").WithSummary("Release a held seat")
            .WithAccessToken()
            .LimitedPerUser()
            .Produces(StatusCodes.Status204NoContent)
            .WithProblems(
                Problems.ReservationNotFound, Problems.AlreadyPaid, Problems.HoldExpired, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        string reservationId, HttpContext context, MySqlDatabase database, WaitingRoom room, OutboxSignal outbox)
    {
        if (!Guid.TryParseExact(reservationId, "D", out var id))
        {
            return Problems.ReservationNotFound;
        }

        var userId = context.UserId();
        var row = await database.RunAsync(
            (connection, cancellationToken) => TryAsync(connection, userId, id, cancellationToken), CancellationToken.None);
        if (row is { Status: ReservationStatus.Released })
        {
            outbox.Set();
            await room.FreeAsync(row.Queue, row.ScheduleId, row.SeatNo);
        }

        return Decide(row);
    }

    private static async Task<ReleaseRow?> TryAsync(
        MySqlConnection connection, long userId, Guid reservationId, CancellationToken cancellationToken)
    {
        await using var command = Procedure.Call(connection);
        command.Parameters.AddWithValue("@user", userId);
        OutboxEvents.AddTo(command.Parameters, reservationId, ReservationEvent.Released);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? ReleaseRow.Read(reader) : null;
    }

    private static IResult Decide(ReleaseRow? row) => row?.Status switch
    {
        null => Problems.ReservationNotFound,
        ReservationStatus.Released => TypedResults.NoContent(), // also for a repeat: the seat is free, as requested
        ReservationStatus.Confirmed => Problems.AlreadyPaid,
        _ => Problems.HoldExpired, // EXPIRED, or HELD past its time and not yet swept
    };

    /// <summary>The user's reservation after the attempt.</summary>
    private sealed record ReleaseRow(string Status, string Queue, long ScheduleId, int SeatNo)
    {
        /// <summary>After COMMIT, so a plain read of what is now true.</summary>
        public const string Sql = """
            SELECT r.status, c.queue_name, r.schedule_id, r.seat_no
              FROM reservation r JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
              WHERE r.reservation_id = @reservation AND r.user_id = @user;
            """;

        public static ReleaseRow Read(MySqlDataReader row) => new(
            Status: row.GetString(0), Queue: row.GetString(1), ScheduleId: row.GetInt64(2), SeatNo: row.GetInt32(3));
    }

    public static readonly StoredProcedure Procedure = new("release_seat", "@user BIGINT, " + OutboxEvents.ReservationEventParameters,
        // Decides the race: by primary key under its row lock, so a payment or the expiry that came first wins.
        // change_id marks the row as changed by this attempt.
        """
        START TRANSACTION;
        UPDATE reservation SET status = 'RELEASED', change_id = @event
          WHERE reservation_id = @reservation AND user_id = @user AND status = 'HELD' AND held_expires_at > NOW(3);

        """
        // The event and the free seat follow only from the mark, and the seat only while this reservation claims it.
        + OutboxEvents.ReservationEventSql + """
          WHERE r.reservation_id = @reservation AND r.change_id = @event;
        UPDATE seat t JOIN reservation r ON r.schedule_id = t.schedule_id AND r.seat_no = t.seat_no
          SET t.reservation_id = NULL
          WHERE r.reservation_id = @reservation AND t.reservation_id = r.reservation_id AND r.change_id = @event;
        COMMIT;

        """
        + ReleaseRow.Sql);
}
