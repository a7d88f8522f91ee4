using ConcertBooking.Bookings;
using ConcertBooking.Events.Outbox;
using MySqlConnector;

namespace ConcertBooking.Reservations;

/// <summary>
/// Expires overdue holds: expired or paid, never both, because both change the same rows on the same condition. Used by the
/// sweep, and by a hold whose seat is claimed by an overdue one.
/// </summary>
internal sealed class HoldExpiry(MySqlDatabase database, OutboxSignal outbox)
{
    /// <summary>Expires those of the given bookings that are still overdue, each in its own transaction, all in one round trip.</summary>
    public async Task ExpireAsync(IReadOnlyList<Guid> bookingIds, Deadline deadline)
    {
        await database.RunAsync(
            async (connection, cancellationToken) =>
            {
                await using var batch = new MySqlBatch(connection);
                foreach (var bookingId in bookingIds)
                {
                    var command = new MySqlBatchCommand(Procedure.CallSql);
                    BookingEvents.AddTo(command.Parameters, bookingId);
                    batch.BatchCommands.Add(command);
                }

                return await batch.ExecuteNonQueryAsync(cancellationToken);
            },
            CancellationToken.None, deadline);
        outbox.Set();
    }

    public static readonly StoredProcedure Procedure = new("expire_booking", BookingEvents.Parameters,
        // Decides the race: only while the hold is overdue, so a payment or another sweep that came first wins. change_id marks the
        // rows as changed by this transaction.
        "START TRANSACTION;\n" + BookingSql.Adopt + """
        UPDATE reservation FORCE INDEX (reservation_booking) SET status = 'EXPIRED', change_id = @event
          WHERE booking_id = @booking AND status = 'HELD' AND held_expires_at <= NOW(3);

        """
        // The event follows only from the mark. Seats are freed from any EXPIRED claim, also one that an operator expired by hand.
        + BookingEvents.Sql(BookingEvents.Expired) + """
        UPDATE reservation r FORCE INDEX (reservation_booking)
          STRAIGHT_JOIN seat t ON t.schedule_id = r.schedule_id AND t.seat_no = r.seat_no
          SET t.reservation_id = NULL
          WHERE r.booking_id = @booking AND t.reservation_id = r.reservation_id AND r.status = 'EXPIRED';

        """ + BookingSql.Settle + "COMMIT;");
}
