using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Bookings;

/// <summary>
/// The stored procedures that hold seats: one transaction in one round trip, then the state that it left, from which the answer
/// follows. Two of them, so that a hold without an idempotency key does not pay for one.
/// </summary>
internal static class SeatHoldSql
{
    /// <summary>All but those of the user and of the idempotency key.</summary>
    private const string Parameters = """
        @queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, @schedule BIGINT, @seatCount INT, @seats JSON,
        @holdSeconds INT, @holdsPerUser INT, @purchasesPerUser INT,
        """ + " " + BookingEvents.Parameters;

    /// <summary>One result: a <see cref="SeatRow"/> a seat.</summary>
    public static readonly StoredProcedure Hold = new("hold_seats", "@user BIGINT, " + Parameters,
        // Locks the user's row first, so that concurrent holds of one user count each other.
        Variables + """
        START TRANSACTION;
        INSERT INTO user_point_balance (user_id, balance) VALUES (@user, 0) ON DUPLICATE KEY UPDATE balance = balance;

        """
        + HoldSql(claim: "", remember: "") + SeatRow.Sql);

    /// <summary>The same once for each idempotency key. Two results: the key's row, and those of <see cref="Hold"/>.</summary>
    public static readonly StoredProcedure HoldOnce = new("hold_seats_once",
        IdempotencySql.Parameters + ", " + Parameters + ", @extensionsLeft INT",
        Variables + IdempotencySql.Begin
        + HoldSql(claim: " JOIN " + IdempotencySql.Claim, remember: RememberSql) + IdempotencySql.Find + SeatRow.Sql);

    /// <summary>After <c>SELECT COUNT(*)</c>: the seats that the user holds, of any schedule.</summary>
    public static string HeldSql(string user) =>
        $"FROM reservation h FORCE INDEX (reservation_user) WHERE h.user_id = {user} AND h.status = 'HELD' AND h.held_expires_at > NOW(3)";

    private const string Variables = "DECLARE @held, @owned, @open, @taken BIGINT DEFAULT 0;\n";

    /// <param name="claim">Joined to what opens the sale: without the claim of the key nothing is taken.</param>
    /// <param name="remember">Stores the answer.</param>
    private static string HoldSql(string claim, string remember) =>
        // Plain reads into variables: within the UPDATE they would be locking reads, and their gap locks would make users
        // who hold nothing yet wait for each other.
        $"""
        SELECT COUNT(*) INTO @held {HeldSql("@user")};
        SELECT COUNT(*) INTO @owned {PurchaseLimit.OwnedSql("@user", "@schedule")};
        SELECT COUNT(*) INTO @open FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id{claim}
          WHERE s.schedule_id = @schedule AND c.queue_name = @queue AND {SaleState.IsOpenSql}
            AND @held + @seatCount <= @holdsPerUser
            AND NOT {PurchaseLimit.IsExceededSql("@owned + @seatCount")};

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
        + $"""
        IF @taken < @seatCount THEN
          ROLLBACK;
        ELSE
          INSERT INTO booking (booking_id, user_id, schedule_id, status, held_expires_at, max_per_user)
            SELECT @booking, @user, @schedule, 'HELD', TIMESTAMPADD(SECOND, @holdSeconds, NOW(3)),
              {PurchaseLimit.Sql} FROM concert_schedule s WHERE s.schedule_id = @schedule;
          INSERT INTO reservation (reservation_id, booking_id, user_id, schedule_id, seat_no, status, price, held_expires_at, change_id)
            SELECT UNHEX(w.r), @booking, @user, @schedule, w.seat_no, 'HELD', COALESCE(p.price, s.price), b.held_expires_at, @event
            FROM JSON_TABLE(@seats, '$[*]' COLUMNS (seat_no INT PATH '$.n', r CHAR(32) PATH '$.r')) w
            JOIN concert_schedule s ON s.schedule_id = @schedule JOIN booking b ON b.booking_id = @booking
            LEFT JOIN hall_seat h ON h.hall_id = s.hall_id AND h.seat_no = w.seat_no
            LEFT JOIN schedule_price p ON p.schedule_id = @schedule AND p.grade = h.grade;

        """ + BookingEvents.Sql(BookingEvents.Held) + remember + """
          COMMIT;
          SET @held = @held + @seatCount, @owned = @owned + @seatCount;
        END IF;

        """;

    /// <summary>
    /// The remembered answer, an aggregate over <c>booking b</c> and its <c>reservation r</c>. Its JSON must equal the record
    /// <see cref="BookingResponse"/>: BestAvailableTests compares it, member by member, with GET /v1/bookings/{bookingId}, which
    /// serializes the record.
    /// </summary>
    public static string AnswerSql => $$"""
        CONCAT('{"bookingId":"', {{UuidSql.Text("b.booking_id")}}, '","scheduleId":', b.schedule_id, ',"status":"', b.status,
              '","total":', SUM(r.price), ',"heldUntil":"', DATE_FORMAT(b.held_expires_at, '%Y-%m-%dT%H:%i:%s.%fZ'),
              '","extensionsLeft":', @extensionsLeft, ',"seats":[', {{BookingEvents.SeatsWithStatusSql}}, ']}')
        """;

    private static string RememberSql => $"""
        UPDATE idempotency i SET i.answer = (
            SELECT {AnswerSql}
            FROM booking b JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = b.booking_id
            JOIN concert_schedule s ON s.schedule_id = b.schedule_id {BookingEvents.PlacesSql}
            WHERE b.booking_id = @booking GROUP BY b.booking_id)
          WHERE i.user_id = @user AND i.call_name = @call AND i.idempotency_key = @key AND i.attempt_id = @attempt;

        """;
}
