using ConcertBooking.Events.Outbox;
using ConcertBooking.Payments;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>
/// Prolongs the hold of a booking, a limited number of times: prolonged, paid or expired, never two of them at once, because all
/// change the same rows on the same condition.
/// </summary>
internal static class ExtendBooking
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/bookings/{bookingId}/extension", HandleAsync)
            .WithHighPriority()
            .WithName("ExtendBooking").WithTags("Bookings").WithSummary("Prolong a hold")
            .WithDescription(
                "The hold ends later: as long from now as a new hold lasts. This is possible as often as `extensionsLeft` of the "
                + "booking says.")
            .WithParameter("bookingId", "A booking of the caller.", BookingResponse.ExampleId)
            .WithExample(static () => BookingResponse.Example with { ExtensionsLeft = 0 })
            .WithQueueToken()
            .LimitedPerUser()
            .Produces<BookingResponse>()
            .WithProblems(
                Problems.QueueTokenNotActive, Problems.BookingNotFound, Problems.ExtensionLimitReached, Problems.AlreadyPaid,
                Problems.HoldExpired, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        string bookingId, HttpContext context, WaitingRoom room, UnpaidHolds unpaidHolds, MySqlDatabase database, OutboxSignal outbox,
        Settings settings)
    {
        if (!Guid.TryParseExact(bookingId, "D", out var id))
        {
            return Problems.BookingNotFound;
        }

        var token = context.QueueToken();
        var pass = await room.CheckAsync(token);
        if (pass is not PassStatus.Active && !await unpaidHolds.ContainsAsync(id, token.UserId))
        {
            return pass is PassStatus.Gone ? Problems.QueueTokenExpired : Problems.QueueTokenNotActive;
        }

        var attempts = new List<Guid>(1);
        var (booking, row) = await database.RunAsync(
            (connection, cancellationToken) => TryAsync(connection, token, id, attempts, settings, cancellationToken),
            CancellationToken.None);
        var outcome = Decide(booking, row, token, attempts, settings.HoldExtensions);
        if (outcome is not Problem)
        {
            outbox.Set();
        }

        return outcome;
    }

    private static IResult Decide(
        BookingResponse? booking, ExtensionRow? row, QueueToken token, List<Guid> attempts, int maximumExtensions) => (booking, row) switch
        {
            (null, _) or (_, null) => Problems.BookingNotFound,
            ({ } extended, { ChangeId: { } change }) when attempts.Contains(change) => TypedResults.Ok(extended),
            ({ Status: BookingStatus.Confirmed }, _) => Problems.AlreadyPaid,
            ({ Status: not BookingStatus.Held }, _) => Problems.HoldExpired,
            (_, { } other) when other.Queue != token.Queue => Problems.QueueTokenNotActive,
            (_, { } used) when used.Extensions >= maximumExtensions => Problems.ExtensionLimitReached,
            _ => Problems.HoldExpired, // it ended between the attempt and this read
        };

    private static async Task<(BookingResponse? Booking, ExtensionRow? Row)> TryAsync(
        MySqlConnection connection, QueueToken token, Guid bookingId, List<Guid> attempts, Settings settings,
        CancellationToken cancellationToken)
    {
        await using var command = Procedure.Call(connection);
        command.Parameters.AddWithValue("@user", token.UserId);
        command.Parameters.AddWithValue("@queue", token.Queue);
        command.Parameters.AddWithValue("@holdSeconds", (int)settings.Hold.TotalSeconds);
        command.Parameters.AddWithValue("@maximumExtensions", settings.HoldExtensions);
        attempts.Add(BookingEvents.AddTo(command.Parameters, bookingId));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var row = await reader.ReadAsync(cancellationToken) ? ExtensionRow.Read(reader) : null;
        await reader.NextResultAsync(cancellationToken);
        var bookings = await BookingRows.ReadAsync(reader, settings.HoldExtensions, cancellationToken);
        return (bookings.SingleOrDefault(), row);
    }

    /// <param name="ChangeId">The last change of the booking's first held seat.</param>
    private sealed record ExtensionRow(int Extensions, string Queue, Guid? ChangeId)
    {
        /// <summary>After COMMIT, so a plain read of what is now true.</summary>
        public const string Sql = """
            SELECT b.extensions, c.queue_name, (SELECT r.change_id FROM reservation r FORCE INDEX (reservation_booking)
                WHERE r.booking_id = b.booking_id AND r.status = 'HELD' ORDER BY r.reservation_id LIMIT 1) AS change_id
              FROM booking b JOIN concert_schedule s ON s.schedule_id = b.schedule_id JOIN concert c ON c.concert_id = s.concert_id
              WHERE b.booking_id = @booking AND b.user_id = @user;

            """;

        public static ExtensionRow Read(MySqlDataReader row) => new(
            Extensions: row.GetInt32(0), Queue: row.GetString(1), ChangeId: row.IsDBNull(2) ? null : row.GetGuid(2));
    }

    /// <summary>One transaction in one round trip, then two results: the <see cref="ExtensionRow"/> and the booking.</summary>
    public static readonly StoredProcedure Procedure = new("extend_booking", """
        @user BIGINT, @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @holdSeconds INT, @maximumExtensions INT,
        """ + " " + BookingEvents.Parameters,
        // Decides the race under the row locks of the seats: the user's own, held, in time, of the token's queue, not prolonged too
        // often. All seats of a booking end at the same moment, also when one was taken out of it. The seats' rows before the
        // booking's, as payment, release and expiry lock them: the other way round they deadlocked.
        """
        DECLARE @until TIMESTAMP(3) DEFAULT TIMESTAMPADD(SECOND, @holdSeconds, NOW(3));
        START TRANSACTION;

        """ + BookingSql.Adopt + """
        UPDATE reservation r FORCE INDEX (reservation_booking) STRAIGHT_JOIN booking b ON b.booking_id = r.booking_id
          STRAIGHT_JOIN concert_schedule s ON s.schedule_id = b.schedule_id STRAIGHT_JOIN concert c ON c.concert_id = s.concert_id
          SET r.held_expires_at = @until, r.change_id = @event
          WHERE r.booking_id = @booking AND r.status = 'HELD' AND r.held_expires_at > NOW(3)
            AND b.user_id = @user AND c.queue_name = @queue AND b.extensions < @maximumExtensions;
        UPDATE booking SET extensions = extensions + 1, held_expires_at = @until
          WHERE booking_id = @booking AND EXISTS (
            SELECT 1 FROM reservation r FORCE INDEX (reservation_booking) WHERE r.booking_id = @booking AND r.change_id = @event);

        """ + BookingEvents.Sql(BookingEvents.Extended) + "COMMIT;\n" + ExtensionRow.Sql
        + BookingRows.Sql + "WHERE b.booking_id = @booking AND b.user_id = @user ORDER BY r.seat_no;");
}
