using ConcertBooking.Events.Outbox;
using MySqlConnector;

namespace ConcertBooking.Reservations;

/// <summary>
/// Expires overdue holds: expired or paid, never both, because both change the same row on the same condition. Used by the
/// sweep, and by a hold whose seat is claimed by an overdue one.
/// </summary>
internal sealed class HoldExpiry(MySqlDatabase database, OutboxSignal outbox)
{
    /// <summary>Expires those of the given holds that are still overdue, each in its own transaction, all in one round trip.</summary>
    public async Task ExpireAsync(IReadOnlyList<Guid> reservationIds, Deadline deadline)
    {
        await database.RunAsync(
            async (connection, cancellationToken) =>
            {
                await using var batch = new MySqlBatch(connection);
                foreach (var reservationId in reservationIds)
                {
                    var command = new MySqlBatchCommand(Procedure.CallSql);
                    OutboxEvents.AddTo(command.Parameters, reservationId, ReservationEvent.Expired);
                    batch.BatchCommands.Add(command);
                }

                return await batch.ExecuteNonQueryAsync(cancellationToken);
            },
            CancellationToken.None, deadline);
        outbox.Set();
    }

    public static readonly StoredProcedure Procedure = new("expire_hold", OutboxEvents.ReservationEventParameters,
        // Decides the race: by primary key and only while the hold is overdue, so a payment or another sweep that came first wins.
        // change_id marks the row as changed by this transaction.
        """
        START TRANSACTION;
        UPDATE reservation SET status = 'EXPIRED', change_id = @event
          WHERE reservation_id = @reservation AND status = 'HELD' AND held_expires_at <= NOW(3);

        """
        // The event follows only from the mark. The seat is freed from any EXPIRED claim, also one that an operator expired by hand.
        + OutboxEvents.ReservationEventSql + """
          WHERE r.reservation_id = @reservation AND r.change_id = @event;
        UPDATE seat t JOIN reservation r ON r.schedule_id = t.schedule_id AND r.seat_no = t.seat_no
          SET t.reservation_id = NULL
          WHERE r.reservation_id = @reservation AND t.reservation_id = r.reservation_id AND r.status = 'EXPIRED';
        COMMIT;
        """);
}
