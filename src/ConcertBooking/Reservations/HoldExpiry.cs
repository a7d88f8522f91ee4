using ConcertBooking.Events.Outbox;
using MySqlConnector;

namespace ConcertBooking.Reservations;

/// <summary>Ends holds that are past their time. Used by the sweep, and by a hold that finds its seat claimed by one.</summary>
internal sealed class HoldExpiry(MySqlDatabase database, OutboxSignal outbox)
{
    /// <summary>
    /// By primary key and on the condition that the hold is still overdue, so that a payment or a second sweeper
    /// that came first wins; the event and the freed seat follow only from this transaction's own change.
    /// </summary>
    public static readonly StoredProcedure Procedure = new("expire_hold", OutboxEvents.ReservationEventParameters, """
        START TRANSACTION;
        UPDATE reservation SET status = 'EXPIRED', change_id = @event
          WHERE reservation_id = @reservation AND status = 'HELD' AND held_expires_at <= NOW(3);

        """ + OutboxEvents.ReservationEventSql + """
          WHERE r.reservation_id = @reservation AND r.change_id = @event;
        UPDATE seat t JOIN reservation r ON r.schedule_id = t.schedule_id AND r.seat_no = t.seat_no
          SET t.reservation_id = NULL
          WHERE r.reservation_id = @reservation AND t.reservation_id = r.reservation_id AND r.status = 'EXPIRED';
        COMMIT;
        """);

    /// <summary>Expires those of the given holds that are still overdue, each in a transaction of its own, all in one round trip.</summary>
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
}
