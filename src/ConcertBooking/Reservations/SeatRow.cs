using MySqlConnector;

namespace ConcertBooking.Reservations;

/// <summary>A seat with its schedule and the reservation that claims it, as an attempt to hold it left them.</summary>
/// <param name="Exists">Whether the schedule has such a seat.</param>
/// <param name="HasAllHolds">Whether the user of the attempt holds as many seats as a user may.</param>
/// <param name="HasAllPurchases">Whether it holds and has paid as many seats of this schedule as a user may.</param>
/// <param name="Claim">The reservation id in the seat row.</param>
/// <param name="Reservation">The reservation of that id; null when nobody claims the seat.</param>
internal sealed record SeatRow(
    SaleState Sale, string Queue, bool Exists, bool HasAllHolds, bool HasAllPurchases, Guid? Claim, SeatReservation? Reservation)
{
    /// <summary>After COMMIT, so a plain read: it sees this attempt's own claim or the one that came first, and locks nothing.</summary>
    public const string Sql = """
        SELECT s.starts_at <= NOW(3) AS started, c.queue_name, t.seat_no IS NOT NULL AS seat_exists,
               (SELECT COUNT(*) FROM reservation h
                WHERE h.user_id = @user AND h.status = 'HELD' AND h.held_expires_at > NOW(3)) >= @holdsPerUser AS all_holds,
               r.reservation_id, r.user_id, r.price, r.held_expires_at, r.status,
               r.status = 'HELD' AND r.held_expires_at <= NOW(3) AS overdue, t.reservation_id AS claim,
               r.status = 'CONFIRMED' OR r.held_expires_at > TIMESTAMPADD(SECOND, 1, NOW(3)) AS lasting,
               @owned >= COALESCE(NULLIF(COALESCE(s.max_per_user, @purchasesPerUser), 0), @owned + 1) AS all_purchases,
               COALESCE((TIMESTAMPDIFF(MICROSECOND, NOW(6), s.sales_open_at) + 999999) DIV 1000000, 0) AS opens_in,
               COALESCE(s.sales_close_at <= NOW(3), FALSE) AS closed
          FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id
          LEFT JOIN seat t ON t.schedule_id = s.schedule_id AND t.seat_no = @seat AND t.seat_no <= s.seat_count
          LEFT JOIN reservation r ON r.reservation_id = t.reservation_id
          WHERE s.schedule_id = @schedule;
        """;

    public static SeatRow Read(MySqlDataReader row) => new(
        Sale: new SaleState(HasStarted: row.GetBoolean(0), OpensInSeconds: row.GetInt64(13), IsClosed: row.GetBoolean(14)),
        Queue: row.GetString(1),
        Exists: row.GetBoolean(2),
        HasAllHolds: row.GetBoolean(3),
        HasAllPurchases: row.GetBoolean(12),
        Reservation: row.IsDBNull(4) ? null : new SeatReservation(
            Id: row.GetGuid(4),
            UserId: row.GetInt64(5),
            Price: row.GetInt64(6),
            HeldUntil: row.GetDateTime(7),
            Status: row.GetString(8),
            IsOverdue: row.GetBoolean(9),
            IsLasting: row.GetBoolean(11)),
        Claim: row.IsDBNull(10) ? null : row.GetGuid(10));
}

/// <summary>Whether seats of a schedule are for sale now, by the database's clock.</summary>
/// <param name="HasStarted">The concert has.</param>
/// <param name="OpensInSeconds">Rounded up; 0 or less once the sale is open.</param>
/// <param name="IsClosed">The end of the sale has passed.</param>
internal readonly record struct SaleState(bool HasStarted, long OpensInSeconds, bool IsClosed);

/// <summary>The reservation that claims a seat, live or not.</summary>
/// <param name="IsOverdue">Still <c>HELD</c> past its end by the database's clock.</param>
/// <param name="IsLasting">Paid, or held for at least another second.</param>
internal sealed record SeatReservation(
    Guid Id, long UserId, long Price, DateTime HeldUntil, string Status, bool IsOverdue, bool IsLasting)
{
    public bool IsHeld => Status == ReservationStatus.Held && !IsOverdue;

    public bool IsLive => IsHeld || Status == ReservationStatus.Confirmed;

    public long? LastingOwner => IsLasting ? UserId : null;
}
