using System.Text;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>
/// Holds seats as one booking, all or none: one live reservation a seat, by the conditional UPDATE of the seat rows and the unique
/// column reservation.live. The core of <see cref="HoldBooking"/> and of <see cref="HoldSeat"/>, a booking of one.
/// </summary>
internal sealed class SeatHolds(MySqlDatabase database, HoldExpiry holds, HoldLimits limits, OutboxSignal outbox, Settings settings)
{
    /// <summary>Seats whose claims are no longer live are tried again; others may take them in between, so not for ever.</summary>
    private const int MaximumAttempts = 4;

    /// <param name="Answer">The refusal; null when the seats are the caller's.</param>
    /// <param name="Seats">As the last attempt left them, in the order of their numbers; empty when there is no such schedule.</param>
    /// <param name="IsNew">This request made the booking, even if the answer of the attempt that did was lost.</param>
    public readonly record struct Outcome(Problem? Refusal, IReadOnlyList<SeatRow> Seats, bool IsNew = false)
    {
        /// <summary>The user who has the first seat for more than a moment, where the answer depends on it.</summary>
        public long? LastingOwner => Seats is [{ Reservation: { } reservation }, ..] ? reservation.LastingOwner : null;
    }

    /// <param name="seatNos">Ascending, each once.</param>
    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time.</exception>
    public async Task<Outcome> HoldAsync(QueueToken token, long scheduleId, IReadOnlyList<int> seatNos)
    {
        var dead = new Dictionary<int, Guid>();
        var attempted = new List<Guid>(1);
        var deadline = MySqlLimits.Request; // for all attempts together
        IReadOnlyList<SeatRow> seats = [];
        for (var attempt = 0; attempt < MaximumAttempts; attempt++)
        {
            try
            {
                seats = await database.RunAsync(
                    (connection, cancellationToken) => TryAsync(connection, token, scheduleId, seatNos, dead, attempted, cancellationToken),
                    CancellationToken.None, deadline);
            }
            catch (MySqlException exception) when (exception.ErrorCode == MySqlErrorCode.DuplicateKeyEntry)
            {
                // A live reservation was written without the seat row; the schema's unique column refused a second one.
                return new(Problems.SeatTaken, []);
            }

            if (seats.Count > 0)
            {
                limits.Learn(token.UserId, scheduleId, seats[0]);
            }

            if (Decide(seats, token, attempted) is { } outcome)
            {
                if (outcome is { Refusal: null, IsNew: true })
                {
                    outbox.Set();
                }

                return outcome;
            }

            await FreeDeadClaimsAsync(seats, dead, deadline);
        }

        return new(Taken(seats), seats);
    }

    /// <summary>Null when the seats can be tried again: what claims them, if anything, is no longer live.</summary>
    private static Outcome? Decide(IReadOnlyList<SeatRow> seats, QueueToken token, List<Guid> attempted) => seats switch
    {
        [] => new(Problems.ScheduleNotFound, seats),
        [{ Reservation: { IsHeld: true } own }, ..] when own.UserId == token.UserId && AreOneBooking(seats, own.BookingId) =>
            new(null, seats, IsNew: attempted.Contains(own.BookingId)),
        [var any, ..] when any.Queue != token.Queue => new(Problems.QueueTokenNotActive, seats),
        _ when seats.Any(static seat => !seat.Exists) => new(Problems.SeatNotFound, seats),
        [{ Sale.HasStarted: true }, ..] => new(Problems.ScheduleClosed, seats),
        [{ Sale.OpensInSeconds: > 0 and var seconds }, ..] => new(SalesNotOpen(seconds), seats),
        [{ Sale.IsClosed: true }, ..] => new(Problems.SalesClosed, seats),
        _ when seats.Any(static seat => seat.Reservation is { IsLive: true }) => new(Taken(seats), seats),
        [{ HasAllHolds: true }, ..] => new(Problems.HoldLimitReached, seats),
        [{ HasAllPurchases: true }, ..] => new(Problems.PurchaseLimitReached, seats),
        _ => null,
    };

    private static bool AreOneBooking(IReadOnlyList<SeatRow> seats, Guid bookingId) =>
        seats.All(seat => seat.Reservation is { IsHeld: true } reservation && reservation.BookingId == bookingId);

    /// <summary>Names the taken seats.</summary>
    private static Problem Taken(IReadOnlyList<SeatRow> seats) => Problems.SeatTaken with
    {
        SeatNos = [.. seats.Where(static seat => seat.Reservation is { IsLive: true }).Select(static seat => seat.SeatNo)],
    };

    /// <summary>Asks to come again when the sale opens, if that is within the hour.</summary>
    private static Problem SalesNotOpen(long seconds) =>
        seconds <= 3600 ? Problems.SalesNotOpen with { RetryAfterSeconds = (int)seconds } : Problems.SalesNotOpen;

    /// <summary>
    /// Expires overdue holds, which frees their seats, unless a payment that was under way came first: then the claim is alive. Other
    /// claims are known to be dead, and the next attempt may replace just these.
    /// </summary>
    private async Task FreeDeadClaimsAsync(IReadOnlyList<SeatRow> seats, Dictionary<int, Guid> dead, Deadline deadline)
    {
        var overdue = seats.Select(static seat => seat.Reservation).OfType<SeatReservation>()
            .Where(static reservation => reservation.IsOverdue).Select(static reservation => reservation.BookingId).Distinct().ToList();
        dead.Clear();
        foreach (var seat in seats.Where(static seat => seat is { Claim: not null, Reservation: not { IsOverdue: true } }))
        {
            dead[seat.SeatNo] = seat.Claim!.Value;
        }

        if (overdue.Count > 0)
        {
            await holds.ExpireAsync(overdue, deadline);
        }
    }

    private async Task<IReadOnlyList<SeatRow>> TryAsync(
        MySqlConnection connection, QueueToken token, long scheduleId, IReadOnlyList<int> seatNos, Dictionary<int, Guid> dead,
        List<Guid> attempted, CancellationToken cancellationToken)
    {
        // Ascending like the seats, so that every statement locks both in one order. A booking of one has its reservation's id.
        var reservationIds = seatNos.Select(static _ => Guid.CreateVersion7()).Order().ToList();
        var bookingId = reservationIds is [var only] ? only : Guid.CreateVersion7();
        attempted.Add(bookingId);
        await using var command = Procedure.Call(connection);
        command.Parameters.AddWithValue("@user", token.UserId);
        command.Parameters.AddWithValue("@queue", token.Queue);
        command.Parameters.AddWithValue("@schedule", scheduleId);
        command.Parameters.AddWithValue("@seatCount", seatNos.Count);
        command.Parameters.AddWithValue("@seats", SeatsJson(seatNos, reservationIds, dead));
        command.Parameters.AddWithValue("@holdSeconds", (int)settings.Hold.TotalSeconds);
        command.Parameters.AddWithValue("@holdsPerUser", settings.HoldsPerUser);
        command.Parameters.AddWithValue("@purchasesPerUser", settings.PurchasesPerUser);
        BookingEvents.AddTo(command.Parameters, bookingId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var seats = new List<SeatRow>(seatNos.Count);
        while (await reader.ReadAsync(cancellationToken))
        {
            seats.Add(SeatRow.Read(reader));
        }

        return seats;
    }

    /// <summary>An object a seat: its number, the reservation to make, and the dead claim that may be replaced.</summary>
    private static string SeatsJson(IReadOnlyList<int> seatNos, List<Guid> reservationIds, Dictionary<int, Guid> dead)
    {
        var json = new StringBuilder("[");
        for (var index = 0; index < seatNos.Count; index++)
        {
            var replaced = dead.TryGetValue(seatNos[index], out var claim) ? $",\"d\":\"{claim:N}\"" : "";
            json.Append(index == 0 ? "" : ",").Append($"{{\"n\":{seatNos[index]},\"r\":\"{reservationIds[index]:N}\"{replaced}}}");
        }

        return json.Append(']').ToString();
    }

    /// <summary>One transaction in one round trip, then the state that it left, from which the answer follows.</summary>
    public static readonly StoredProcedure Procedure = new("hold_seats", """
        @user BIGINT, @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @schedule BIGINT, @seatCount INT, @seats JSON,
        @holdSeconds INT, @holdsPerUser INT, @purchasesPerUser INT,
        """ + " " + BookingEvents.Parameters,
        // Locks the user's row first, so that concurrent holds of one user count each other.
        """
        DECLARE @held, @owned, @open, @taken BIGINT DEFAULT 0;
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
          WHERE s.schedule_id = @schedule AND s.starts_at > NOW(3) AND c.queue_name = @queue
            AND (s.sales_open_at IS NULL OR s.sales_open_at <= NOW(3)) AND (s.sales_close_at IS NULL OR s.sales_close_at > NOW(3))
            AND @held + @seatCount <= @holdsPerUser
            AND @owned + @seatCount <= COALESCE(NULLIF(COALESCE(s.max_per_user, @purchasesPerUser), 0), @owned + @seatCount);

        """
        // Decides the race: the row locks, taken in the order of the seats, let one claim in at a time, and only if there is none or
        // one known to be dead.
        + """
        IF @open = 1 THEN
          UPDATE JSON_TABLE(@seats, '$[*]' COLUMNS (seat_no INT PATH '$.n', r CHAR(32) PATH '$.r', d CHAR(32) PATH '$.d')) w
            STRAIGHT_JOIN concert_schedule s ON s.schedule_id = @schedule AND w.seat_no <= s.seat_count
            STRAIGHT_JOIN seat t ON t.schedule_id = @schedule AND t.seat_no = w.seat_no
            SET t.reservation_id = UNHEX(w.r) WHERE t.reservation_id IS NULL OR t.reservation_id = UNHEX(w.d);
          SET @taken = ROW_COUNT();
        END IF;

        """
        // All or none: without every claim nothing is kept, and the rows below show who has the seats. The price is that of the seat's
        // grade; a schedule without a hall, whose hall_id is NULL, costs no look-up for it.
        + """
        IF @taken < @seatCount THEN
          ROLLBACK;
        ELSE
          INSERT INTO booking (booking_id, user_id, schedule_id, status, held_expires_at)
            VALUES (@booking, @user, @schedule, 'HELD', TIMESTAMPADD(SECOND, @holdSeconds, NOW(3)));
          INSERT INTO reservation (reservation_id, booking_id, user_id, schedule_id, seat_no, status, price, held_expires_at, change_id)
            SELECT UNHEX(w.r), @booking, @user, @schedule, w.seat_no, 'HELD', COALESCE(p.price, s.price), b.held_expires_at, @event
            FROM JSON_TABLE(@seats, '$[*]' COLUMNS (seat_no INT PATH '$.n', r CHAR(32) PATH '$.r')) w
            JOIN concert_schedule s ON s.schedule_id = @schedule JOIN booking b ON b.booking_id = @booking
            LEFT JOIN hall_seat h ON h.hall_id = s.hall_id AND h.seat_no = w.seat_no
            LEFT JOIN schedule_price p ON p.schedule_id = @schedule AND p.grade = h.grade;

        """ + BookingEvents.Sql(BookingEvents.Held) + """
          COMMIT;
        END IF;

        """
        + SeatRow.Sql);
}
