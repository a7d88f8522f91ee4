using ConcertBooking.Events.Outbox;
using ConcertBooking.Queue.Room;

namespace ConcertBooking.Reservations;

/// <summary>Gives a held seat back: released or paid, never both, because both change the same row on the same condition.</summary>
internal static class ReleaseSeat
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapDelete("/v1/reservations/{reservationId}", HandleAsync)
            .WithHighPriority()
            .WithName("ReleaseSeat").WithTags("Reservations").WithSummary("Release a held seat")
            .WithAccessToken()
            .LimitedPerUser()
            .Produces(StatusCodes.Status204NoContent)
            .WithProblems(Problems.ReservationNotFound, Problems.AlreadyPaid, Problems.HoldExpired, Problems.DatabaseUnavailable);

    /// <summary>
    /// The hold ends by its primary key; event and seat follow only from this transaction's own change. The last
    /// statement tells the state that is now true.
    /// </summary>
    public static readonly StoredProcedure Procedure = new("release_seat", "@user BIGINT, " + OutboxEvents.ReservationEventParameters, """
        START TRANSACTION;
        UPDATE reservation SET status = 'RELEASED', change_id = @event
          WHERE reservation_id = @reservation AND user_id = @user AND status = 'HELD' AND held_expires_at > NOW(3);

        """ + OutboxEvents.ReservationEventSql + """
          WHERE r.reservation_id = @reservation AND r.change_id = @event;
        UPDATE seat t JOIN reservation r ON r.schedule_id = t.schedule_id AND r.seat_no = t.seat_no
          SET t.reservation_id = NULL
          WHERE r.reservation_id = @reservation AND t.reservation_id = r.reservation_id AND r.change_id = @event;
        COMMIT;
        SELECT r.status, c.queue_name, r.schedule_id, r.seat_no
          FROM reservation r JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
          WHERE r.reservation_id = @reservation AND r.user_id = @user;
        """);

    private static async Task<IResult> HandleAsync(string reservationId, HttpContext context, MySqlDatabase database, WaitingRoom room, OutboxSignal outbox)
    {
        if (!Guid.TryParseExact(reservationId, "D", out var id))
        {
            return Problems.ReservationNotFound;
        }

        var userId = context.UserId();
        var reservation = await database.RunAsync(
            async (connection, token) =>
            {
                await using var command = Procedure.Call(connection);
                command.Parameters.AddWithValue("@user", userId);
                OutboxEvents.AddTo(command.Parameters, id, ReservationEvent.Released);
                await using var reader = await command.ExecuteReaderAsync(token);
                return await reader.ReadAsync(token)
                    ? (Status: reader.GetString(0), Queue: reader.GetString(1), Schedule: reader.GetInt64(2), Seat: reader.GetInt32(3))
                    : default;
            },
            CancellationToken.None);
        switch (reservation.Status)
        {
            case null:
                return Problems.ReservationNotFound;
            case "RELEASED": // also for a repeat: the seat is free, as asked
                outbox.Set();
                await room.FreeAsync(reservation.Queue, reservation.Schedule, reservation.Seat);
                return TypedResults.NoContent();
            case "CONFIRMED":
                return Problems.AlreadyPaid;
            default: // EXPIRED, or HELD past its time and not yet swept
                return Problems.HoldExpired;
        }
    }
}
