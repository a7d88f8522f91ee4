using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>A seat with its schedule and the reservation that claims it, as an attempt to hold it left them.</summary>
/// <param name="Exists">Whether the schedule has such a seat.</param>
/// <param name="HasAllHolds">Whether the user of the attempt cannot hold as many seats more.</param>
/// <param name="HasAllPurchases">Whether it cannot have as many seats more of this schedule.</param>
/// <param name="Claim">The reservation id in the seat row.</param>
/// <param name="Reservation">The reservation of that id; null when nobody claims the seat.</param>
internal sealed record SeatRow(
    int SeatNo, SeatPlace Place, SaleState Sale, string Queue, bool Exists, bool HasAllHolds, bool HasAllPurchases, Guid? Claim,
    SeatReservation? Reservation)
{
    /// <summary>
    /// A row for each seat that was asked for. After COMMIT, so a plain read: it sees this attempt's own claims or those that came
    /// first, and locks nothing.
    /// </summary>
    public static readonly string Sql = $"""
        SELECT w.seat_no, c.queue_name, {SaleState.Columns}, t.seat_no IS NOT NULL AS seat_exists,
               @held + @seatCount > @holdsPerUser AS all_holds,
               {PurchaseLimit.IsExceededSql("@owned + @seatCount")} AS all_purchases,
               t.reservation_id AS claim, r.reservation_id, r.booking_id, r.user_id, r.price, r.held_expires_at, r.status,
               r.status = 'HELD' AND r.held_expires_at <= NOW(3) AS overdue,
               r.status = 'CONFIRMED' OR r.held_expires_at > TIMESTAMPADD(SECOND, 1, NOW(3)) AS lasting, COALESCE(b.extensions, 0),
               IF(r.user_id = @user, (SELECT COUNT(*) FROM reservation o FORCE INDEX (reservation_booking)
                                      WHERE o.booking_id = r.booking_id AND o.status = 'HELD'), 0),
               {SeatPlace.ColumnsSql}
          FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id
          JOIN JSON_TABLE(@seats, '$[*]' COLUMNS (seat_no INT PATH '$.n')) w
          LEFT JOIN seat t ON t.schedule_id = s.schedule_id AND t.seat_no = w.seat_no AND t.seat_no <= s.seat_count
          LEFT JOIN reservation r ON r.reservation_id = t.reservation_id
          LEFT JOIN booking b ON b.booking_id = r.booking_id
          LEFT JOIN hall_seat h ON h.hall_id = s.hall_id AND h.seat_no = w.seat_no
          WHERE s.schedule_id = @schedule
          ORDER BY w.seat_no;
        """;

    public static SeatRow Read(MySqlDataReader row) => new(
        SeatNo: row.GetInt32(0),
        Place: SeatPlace.Read(row, 19, row.GetInt32(0)),
        Queue: row.GetString(1),
        Sale: SaleState.Read(row, 2),
        Exists: row.GetBoolean(5),
        HasAllHolds: row.GetBoolean(6),
        HasAllPurchases: row.GetBoolean(7),
        Claim: row.IsDBNull(8) ? null : row.GetGuid(8),
        Reservation: row.IsDBNull(9) ? null : new SeatReservation(
            Id: row.GetGuid(9),
            BookingId: row.IsDBNull(10) ? row.GetGuid(9) : row.GetGuid(10), // of the build before, and not yet adopted
            UserId: row.GetInt64(11),
            Price: row.GetInt64(12),
            HeldUntil: row.GetDateTime(13),
            Status: row.GetString(14),
            IsOverdue: row.GetBoolean(15),
            IsLasting: row.GetBoolean(16),
            Extensions: row.GetInt32(17),
            SeatsHeld: row.GetInt32(18)));
}

/// <summary>Whether seats of a schedule are for sale now, by the database's clock.</summary>
/// <param name="HasStarted">The concert has.</param>
/// <param name="OpensInSeconds">Rounded up; 0 or less once the sale is open.</param>
/// <param name="IsClosed">The end of the sale has passed.</param>
internal readonly record struct SaleState(bool HasStarted, long OpensInSeconds, bool IsClosed)
{
    /// <summary>Three columns, of <c>concert_schedule s</c>.</summary>
    public const string Columns = """
        s.starts_at <= NOW(3) AS started,
               COALESCE((TIMESTAMPDIFF(MICROSECOND, NOW(6), s.sales_open_at) + 999999) DIV 1000000, 0) AS opens_in,
               COALESCE(s.sales_close_at <= NOW(3), FALSE) AS closed
        """;

    /// <summary>The same as no <see cref="Refusal"/>, where a statement decides.</summary>
    public const string IsOpenSql = """
        s.starts_at > NOW(3)
            AND (s.sales_open_at IS NULL OR s.sales_open_at <= NOW(3)) AND (s.sales_close_at IS NULL OR s.sales_close_at > NOW(3))
        """;

    public static SaleState Read(MySqlDataReader row, int ordinal) => new(
        HasStarted: row.GetBoolean(ordinal), OpensInSeconds: row.GetInt64(ordinal + 1), IsClosed: row.GetBoolean(ordinal + 2));

    /// <summary>Null while seats are for sale. Asks to come again when the sale opens, if that is within the hour.</summary>
    public Problem? Refusal => this switch
    {
        { HasStarted: true } => Problems.ScheduleClosed,
        { OpensInSeconds: > 0 and <= 3600 and var seconds } => Problems.SalesNotOpen with { RetryAfterSeconds = (int)seconds },
        { OpensInSeconds: > 0 } => Problems.SalesNotOpen,
        { IsClosed: true } => Problems.SalesClosed,
        _ => null,
    };
}

/// <summary>How many seats of <c>concert_schedule s</c> a user may have, held and paid together; 0 for any number.</summary>
internal static class PurchaseLimit
{
    public const string Sql = "COALESCE(s.max_per_user, @purchasesPerUser)";

    /// <summary>After <c>SELECT COUNT(*)</c>: the seats that the user has.</summary>
    public static string OwnedSql(string user, string schedule) => $"""
        FROM reservation h FORCE INDEX (reservation_user) WHERE h.user_id = {user}
              AND h.schedule_id = {schedule} AND (h.status = 'CONFIRMED' OR h.status = 'HELD' AND h.held_expires_at > NOW(3))
        """;

    public static string IsExceededSql(string seats) => $"COALESCE(NULLIF({Sql}, 0) < {seats}, FALSE)";
}

/// <summary>The reservation that claims a seat, live or not.</summary>
/// <param name="IsOverdue">Still <c>HELD</c> past its end by the database's clock.</param>
/// <param name="IsLasting">Paid, or held for at least another second.</param>
/// <param name="Extensions">How often its booking was prolonged.</param>
/// <param name="SeatsHeld">How many seats its booking still holds; 0 of another user's.</param>
internal sealed record SeatReservation(
    Guid Id, Guid BookingId, long UserId, long Price, DateTime HeldUntil, string Status, bool IsOverdue, bool IsLasting, int Extensions,
    int SeatsHeld)
{
    public bool IsHeld => Status == ReservationStatus.Held && !IsOverdue;

    public bool IsLive => IsHeld || Status == ReservationStatus.Confirmed;

    public long? LastingOwner => IsLasting ? UserId : null;
}
