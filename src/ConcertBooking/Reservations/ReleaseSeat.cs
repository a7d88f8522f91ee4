using ConcertBooking.Events;
using ConcertBooking.Infrastructure;
using MySqlConnector;

namespace ConcertBooking.Reservations;

/// <summary>Gives a held seat back: released or paid, never both, because both change the same row on the same condition.</summary>
internal static class ReleaseSeat
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapDelete("/v1/reservations/{reservationId}", Handle)
            .WithName("ReleaseSeat").WithTags("Reservations").WithSummary("Release a held seat")
            .WithAccessToken()
            .Produces(StatusCodes.Status204NoContent)
            .WithProblems(Problems.ReservationNotFound, Problems.AlreadyPaid, Problems.HoldExpired, Problems.DatabaseUnavailable);

    /// <summary>
    /// The hold ends by its primary key; event and seat follow only from this transaction's own change. The last
    /// statement tells the state that is now true.
    /// </summary>
    private const string ReleaseSql = """
        START TRANSACTION;
        UPDATE reservation SET status = 'RELEASED', change_id = @event
          WHERE reservation_id = @reservation AND user_id = @user AND status = 'HELD' AND held_expires_at > NOW(3);

        """ + Outbox.ReservationEventSql + """
          WHERE r.reservation_id = @reservation AND r.change_id = @event;
        UPDATE seat t JOIN reservation r ON r.schedule_id = t.schedule_id AND r.seat_no = t.seat_no
          SET t.reservation_id = NULL
          WHERE r.reservation_id = @reservation AND t.reservation_id = r.reservation_id AND r.change_id = @event;
        COMMIT;
        SELECT status FROM reservation WHERE reservation_id = @reservation AND user_id = @user
        """;

    private static async Task<IResult> Handle(string reservationId, HttpContext context, MySql database, OutboxSignal outbox)
    {
        if (!Guid.TryParseExact(reservationId, "D", out var id))
        {
            return Problems.ReservationNotFound;
        }

        var userId = context.UserId();
        var status = await database.Run(
            async (connection, token) =>
            {
                await using var command = new MySqlCommand(ReleaseSql, connection);
                command.Parameters.AddWithValue("@user", userId);
                Outbox.AddTo(command.Parameters, id, ReservationEvent.Released);
                return (string?)await command.ExecuteScalarAsync(token);
            },
            CancellationToken.None);
        outbox.Set();
        return status switch
        {
            null => Problems.ReservationNotFound,
            "RELEASED" => TypedResults.NoContent(), // also for a repeat: the seat is free, as asked
            "CONFIRMED" => Problems.AlreadyPaid,
            _ => Problems.HoldExpired, // EXPIRED, or HELD past its time and not yet swept
        };
    }
}
