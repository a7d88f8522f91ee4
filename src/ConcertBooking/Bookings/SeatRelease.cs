using System.Text.Json.Serialization;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Queue.Room;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>
/// Releases held seats, a whole booking or one seat of it: released or paid, never both, because both change the same rows on the
/// same condition. The core of <see cref="ReleaseBooking"/> and of <see cref="ReleaseSeat"/>.
/// </summary>
internal sealed class SeatRelease(MySqlDatabase database, SharedTransactions shared, WaitingRoom room, OutboxSignal outbox)
{
    private readonly TransactionBatcher<Request, IReadOnlyList<ReleaseRow>> _batcher =
        new("release", shared, TryAllAsync, static request => [(request.UserId, 0)]);

    /// <param name="BookingId">Null: the booking of the reservation.</param>
    /// <param name="ReservationId">Null: all seats of the booking.</param>
    private sealed record Request(long UserId, Guid? BookingId, Guid? ReservationId)
    {
        /// <summary>Of the request: a shared transaction runs in no request's trace.</summary>
        public string? TraceParent { get; } = Instrumentation.TraceParent;
    }

    /// <param name="bookingId">Null: the booking of the reservation.</param>
    /// <param name="reservationId">Null: all seats of the booking.</param>
    /// <returns>Null when the user has no such seats: the caller names the problem.</returns>
    public async Task<IResult?> ReleaseAsync(long userId, Guid? bookingId, Guid? reservationId)
    {
        var deadline = MySqlLimits.Request;
        var request = new Request(userId, bookingId, reservationId);
        var rows = await _batcher.RunAsync(
            request,
            () => database.RunAsync(
                (connection, cancellationToken) => TryAsync(connection, request, cancellationToken), CancellationToken.None, deadline),
            deadline);
        if (rows.Any(static row => row.Status == ReservationStatus.Released))
        {
            outbox.Set();
            foreach (var row in rows.Where(static row => row.Status == ReservationStatus.Released))
            {
                await room.FreeAsync(row.Queue, row.ScheduleId, row.SeatNo);
            }
        }

        return Decide(rows);
    }

    private static IResult? Decide(IReadOnlyList<ReleaseRow> rows) => rows switch
    {
        [] => null,
        _ when rows.Any(static row => row.Status == ReservationStatus.Confirmed) => Problems.AlreadyPaid,
        _ when rows.All(static row => row.Status == ReservationStatus.Released) => TypedResults.NoContent(), // also for a repeat
        _ => Problems.HoldExpired, // EXPIRED, or HELD past its time and not yet swept
    };

    private static async Task<IReadOnlyList<ReleaseRow>> TryAsync(
        MySqlConnection connection, Request request, CancellationToken cancellationToken)
    {
        await using var command = Procedure.Call(connection);
        command.Parameters.AddWithValue("@user", request.UserId);
        command.Parameters.AddWithValue("@named", request.BookingId);
        command.Parameters.AddWithValue("@reservation", request.ReservationId);
        command.Parameters.AddWithValue("@event", Guid.CreateVersion7());
        command.Parameters.AddWithValue("@traceparent", request.TraceParent);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<ReleaseRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(ReleaseRow.Read(reader));
        }

        return rows;
    }

    /// <summary>A reservation of a booking of one has its id; any other is released alone.</summary>
    private static async Task<IReadOnlyList<IReadOnlyList<ReleaseRow>?>> TryAllAsync(
        MySqlConnection connection, IReadOnlyList<Request> requests, CancellationToken cancellationToken)
    {
        List<SharedRelease> members = [.. requests.Select(static (request, n) => new SharedRelease(
            n, request.UserId, $"{request.BookingId ?? request.ReservationId:N}",
            request.ReservationId is { } reservation ? $"{reservation:N}" : null, $"{Guid.CreateVersion7():N}", request.TraceParent))];
        await using var command = SharedSql.Call(
            SharedReleaseSql.Procedure, connection, members, SharedReleaseJson.Default.ListSharedRelease);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<ReleaseRow>?[requests.Count];
        while (await reader.ReadAsync(cancellationToken))
        {
            (rows[reader.GetInt32(0)] ??= []).Add(
                new(ReservationStatus.Released, Queue: reader.GetString(1), ScheduleId: reader.GetInt64(2), SeatNo: reader.GetInt32(3)));
        }

        return rows;
    }

    /// <summary>A seat after the attempt.</summary>
    private sealed record ReleaseRow(string Status, string Queue, long ScheduleId, int SeatNo)
    {
        /// <summary>
        /// After COMMIT, so a plain read of what is now true. Of a booking, seats that were taken out of it before do not count.
        /// </summary>
        public const string Sql = """
            SELECT r.status, c.queue_name, r.schedule_id, r.seat_no
              FROM reservation r FORCE INDEX (reservation_booking)
              JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
              WHERE r.booking_id = @booking AND r.user_id = @user AND (@reservation IS NULL OR r.reservation_id = @reservation)
                AND (r.status <> 'RELEASED' OR r.change_id = @event OR NOT EXISTS (
                  SELECT 1 FROM reservation o FORCE INDEX (reservation_booking)
                  WHERE o.booking_id = @booking AND o.status <> 'RELEASED') OR @reservation IS NOT NULL);
            """;

        public static ReleaseRow Read(MySqlDataReader row) => new(
            Status: row.GetString(0), Queue: row.GetString(1), ScheduleId: row.GetInt64(2), SeatNo: row.GetInt32(3));
    }

    public static readonly StoredProcedure Procedure = new("release_seats", """
        @user BIGINT, @named BINARY(16), @reservation BINARY(16), @event BINARY(16),
        @traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin
        """,
        // Decides the race: under the row locks, so a payment or the expiry that came first wins. change_id marks the rows as changed
        // by this attempt.
        """
        DECLARE @booking BINARY(16) DEFAULT @named;
        SELECT COALESCE(booking_id, reservation_id) INTO @booking FROM reservation WHERE reservation_id = @reservation;
        START TRANSACTION;

        """ + BookingSql.Adopt + """
        UPDATE reservation FORCE INDEX (reservation_booking) SET status = 'RELEASED', change_id = @event
          WHERE booking_id = @booking AND user_id = @user AND status = 'HELD' AND held_expires_at > NOW(3)
            AND (@reservation IS NULL OR reservation_id = @reservation);

        """
        // The event and the free seats follow only from the mark, and a seat only while its reservation claims it.
        + BookingEvents.Sql(BookingEvents.Released) + """
        UPDATE reservation r FORCE INDEX (reservation_booking)
          STRAIGHT_JOIN seat t ON t.schedule_id = r.schedule_id AND t.seat_no = r.seat_no
          SET t.reservation_id = NULL
          WHERE r.booking_id = @booking AND r.change_id = @event AND t.reservation_id = r.reservation_id;

        """ + BookingSql.Settle + "COMMIT;\n" + ReleaseRow.Sql);
}

/// <summary>A member of the array of <see cref="SharedReleaseSql"/>.</summary>
/// <param name="Reservation">The one to release, where a booking of one is meant; a booking of several does not have its id.</param>
internal sealed record SharedRelease(int N, long User, string Booking, string? Reservation, string Event, string? Traceparent);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(List<SharedRelease>))]
internal sealed partial class SharedReleaseJson : JsonSerializerContext;
