using ConcertBooking.Events.Outbox;

namespace ConcertBooking.Bookings;

/// <summary>
/// Holds of several users in one transaction, each all or none, in statements for all of them. Only plain successes: a member whose
/// seats are not all free, or that meets a limit, a closed sale or a remembered answer, is left out, and no row of it is touched.
/// Members want different users and seats.
/// </summary>
internal static class SharedHoldSql
{
    private const string Schedule = "schedule_id BIGINT PATH '$.schedule'";
    private const string Count = "seats INT PATH '$.count'";

    /// <summary>A row a seat instead of a row a member.</summary>
    private const string Seats = $"NESTED PATH '$.seats[*]' COLUMNS ({SeatNo}, {Reservation})";

    private const string SeatNo = "seat_no INT PATH '$.no'";
    private const string Reservation = "reservation CHAR(32) PATH '$.id'";
    private const string Price = "price BIGINT PATH '$.price'";

    private const string Place = """
        section VARCHAR(30) PATH '$.section', row_name VARCHAR(10) PATH '$.row', label VARCHAR(10) PATH '$.label',
        grade VARCHAR(20) PATH '$.grade'
        """;

    /// <summary>
    /// A row for each seat that was held, unless all members have keys; then, if any have, a row with its answer for each of them.
    /// </summary>
    public static readonly StoredProcedure Procedure = new("hold_seats_shared",
        "@members JSON, @holdSeconds INT, @holdsPerUser INT, @purchasesPerUser INT, @extensionsLeft INT, @keys INT",
        SharedSql.Variables + """
        DECLARE @open, @seats, @won, @allHolds, @allPurchases TEXT DEFAULT '';
        DECLARE @wanted, @free INT DEFAULT 0;
        DECLARE @until DATETIME(3);
        DECLARE @held JSON DEFAULT '[]';
        START TRANSACTION;

        """ + SharedSql.LockUsers
        // Who may hold as many seats of that schedule now; with a key, who has no answer yet. The user's rows are locked, so nobody
        // changes what is counted. Plain reads, as in hold_seats. The inner query counts with these seats, each count once; then it
        // is known, too, who cannot hold as many again.
        + $"""
        SELECT COALESCE(GROUP_CONCAT(s.n), ''), COALESCE(SUM(s.seats), 0),
            COALESCE(GROUP_CONCAT(IF(s.held + s.seats > @holdsPerUser, s.n, NULL)), ''),
            COALESCE(GROUP_CONCAT(IF({PurchaseLimit.IsExceededSql("s.owned + s.seats")}, s.n, NULL)), '')
          INTO @open, @wanted, @allHolds, @allPurchases
          FROM (SELECT w.n, w.seats, s.max_per_user, w.seats + (SELECT COUNT(*) {SeatHoldSql.HeldSql("w.user_id")}) AS held,
                  w.seats + (SELECT COUNT(*) {PurchaseLimit.OwnedSql("w.user_id", "w.schedule_id")}) AS owned
                FROM {SharedSql.Members(
                    SharedSql.N, SharedSql.User, Schedule, SharedSql.Queue, Count, "last_seat INT PATH '$.last'", SharedSql.Key)}
                STRAIGHT_JOIN concert_schedule s ON s.schedule_id = w.schedule_id
                STRAIGHT_JOIN concert c ON c.concert_id = s.concert_id
                WHERE FIND_IN_SET(w.user_id, @users) AND c.queue_name = w.queue_name AND w.last_seat <= s.seat_count
                  AND {SaleState.IsOpenSql}
                  AND (w.k IS NULL OR NOT EXISTS (SELECT 1 FROM idempotency i
                       WHERE i.user_id = w.user_id AND i.call_name = 'hold' AND i.idempotency_key = {SharedSql.KeySql}))) s
          WHERE s.held <= @holdsPerUser AND NOT {PurchaseLimit.IsExceededSql("s.owned")};

        """
        // Decides the race: the seats that are free and that nobody else has locked. A seat that is about to be sold is left to the
        // member alone, who waits for it.
        + $"""
        SELECT COALESCE(GROUP_CONCAT(w.n), ''), COUNT(*) INTO @seats, @free
          FROM {SharedSql.Members(SharedSql.N, Schedule, Seats)}
          STRAIGHT_JOIN seat k FORCE INDEX (PRIMARY) ON k.schedule_id = w.schedule_id AND k.seat_no = w.seat_no
          WHERE FIND_IN_SET(w.n, @open) AND k.reservation_id IS NULL {SharedSql.SkipLocked};
        IF @free = @wanted THEN
          SET @won = @open; -- each of them has all its seats, as is usual
        ELSE
          SELECT COALESCE(GROUP_CONCAT(w.n), '') INTO @won
            FROM {SharedSql.Members(SharedSql.N, Count)} WHERE w.seats = {SharedSql.CountIn("@seats", "w.n")};
        END IF;
        IF @won = '' THEN
          ROLLBACK;
        ELSE
          SET @until = TIMESTAMPADD(SECOND, @holdSeconds, NOW(3));

        """
        // Reads once what the statements below write of the seats, and the result has of them: the member, the price and the place.
        + $"""
          SELECT JSON_ARRAYAGG(JSON_OBJECT('n', w.n, 'user', w.user_id, 'key', w.k, 'concert', s.concert_id, 'schedule', w.schedule_id,
              'booking', w.booking, 'event', w.event, 'traceparent', w.traceparent, 'no', w.seat_no, 'id', w.reservation,
              'price', COALESCE(p.price, s.price), 'section', h.section, 'row', h.row_name, 'label', h.label, 'grade', h.grade))
            INTO @held
            FROM {SharedSql.Members(
                SharedSql.N, SharedSql.User, Schedule, SharedSql.Key, SharedSql.Booking, SharedSql.Event, SharedSql.TraceParent, Seats)}
            STRAIGHT_JOIN concert_schedule s ON s.schedule_id = w.schedule_id
            LEFT JOIN hall_seat h ON h.hall_id = s.hall_id AND h.seat_no = w.seat_no
            LEFT JOIN schedule_price p ON p.schedule_id = w.schedule_id AND p.grade = h.grade WHERE {SharedSql.Won};
          UPDATE {Held(Schedule, SeatNo, Reservation)}
            STRAIGHT_JOIN seat k FORCE INDEX (PRIMARY) ON k.schedule_id = w.schedule_id AND k.seat_no = w.seat_no
            SET k.reservation_id = UNHEX(w.reservation);
          INSERT INTO booking (booking_id, user_id, schedule_id, status, held_expires_at, max_per_user)
            SELECT UNHEX(w.booking), w.user_id, w.schedule_id, 'HELD', @until, {PurchaseLimit.Sql}
            FROM {SharedSql.Members(SharedSql.N, SharedSql.User, Schedule, SharedSql.Booking)}
            STRAIGHT_JOIN concert_schedule s ON s.schedule_id = w.schedule_id WHERE {SharedSql.Won};
          INSERT INTO reservation (reservation_id, booking_id, user_id, schedule_id, seat_no, status, price, held_expires_at, change_id)
            SELECT UNHEX(w.reservation), UNHEX(w.booking), w.user_id, w.schedule_id, w.seat_no, 'HELD', w.price, @until, UNHEX(w.event)
            FROM {Held(SharedSql.User, Schedule, SharedSql.Booking, SharedSql.Event, SeatNo, Reservation, Price)};
          {BookingEvents.OfSeatsSql(BookingEvents.Held, $"""
            (SELECT w.*, UNHEX(w.booking) AS booking_id, UNHEX(w.reservation) AS reservation_id, @until AS held_expires_at
              FROM {Held(
                SharedSql.User, "concert_id BIGINT PATH '$.concert'", Schedule, SharedSql.Booking, SharedSql.Event, SharedSql.TraceParent,
                SeatNo, Reservation, Price, Place)}) w
            """)}
          IF @keys > 0 THEN
            INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id, answer)
              SELECT w.user_id, 'hold', w.k, UNHEX(w.body_hash), UNHEX(w.attempt), {SeatHoldSql.AnswerSql}
              FROM {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Booking, SharedSql.Key, SharedSql.Hash, SharedSql.Attempt)}
              STRAIGHT_JOIN booking b FORCE INDEX (PRIMARY) ON b.booking_id = UNHEX(w.booking)
              STRAIGHT_JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = b.booking_id
              STRAIGHT_JOIN concert_schedule s ON s.schedule_id = b.schedule_id {BookingEvents.PlacesSql}
              WHERE w.k IS NOT NULL AND {SharedSql.Won} GROUP BY w.n, w.user_id, w.k, w.body_hash, w.attempt, b.booking_id;
          END IF;
          COMMIT;
        END IF;

        """
        // After COMMIT.
        + $"""
        IF @keys < JSON_LENGTH(@members) THEN
          SELECT w.n, w.seat_no, CAST(UNHEX(w.reservation) AS BINARY(16)), w.price, @until, FIND_IN_SET(w.n, @allHolds) > 0,
              FIND_IN_SET(w.n, @allPurchases) > 0, w.section, w.row_name, w.label, w.grade
            FROM {Held(SharedSql.N, SharedSql.Key, SeatNo, Reservation, Price, Place)} WHERE w.k IS NULL;
        END IF;
        IF @keys > 0 THEN
          SELECT w.n, i.answer FROM {SharedSql.Members(SharedSql.N, SharedSql.User, SharedSql.Key)} STRAIGHT_JOIN idempotency i
            ON i.user_id = w.user_id AND i.call_name = 'hold' AND i.idempotency_key = {SharedSql.KeySql} WHERE {SharedSql.Won};
        END IF;

        """);

    /// <summary>The seats that were held, as rows of <c>w</c>.</summary>
    private static string Held(params string[] columns) => SharedSql.Rows("@held", columns);
}
