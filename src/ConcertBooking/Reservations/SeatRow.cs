using MySqlConnector;

namespace ConcertBooking.Reservations;

/// <summary>A seat with its schedule and the reservation that claims it, as an attempt to hold it left them.</summary>
/// <param name="IsClosed">The schedule has started.</param>
/// <param name="Exists">Whether the schedule has such a seat.</param>
/// <param name="HeldByUser">How many seats the user of the attempt holds now.</param>
/// <param name="Claim">The reservation id in the seat row.</param>
/// <param name="Reservation">The reservation of that id; null when nobody claims the seat.</param>
internal sealed record SeatRow(bool IsClosed, string Queue, bool Exists, long HeldByUser, Guid? Claim, SeatReservation? Reservation)
{
    /// <summary>After COMMIT, so a plain read: it sees this attempt's own claim or the one that came first, and locks nothing.</summary>
    public const string Sql = """
        SELECT s.starts_at <= NOW(3) AS closed, c.queue_name, t.seat_no IS NOT NULL AS seat_exists,
               (SELECT COUNT(*) FROM reservation h
                WHERE h.user_id = @user AND h.status = 'HELD' AND h.held_expires_at > NOW(3)) AS held,
               r.reservation_id, r.user_id, r.price, r.held_expires_at, r.status,
               r.status = 'HELD' AND r.held_expires_at <= NOW(3) AS overdue, t.reservation_id AS claim,
               r.status = 'CONFIRMED' OR r.held_expires_at > TIMESTAMPADD(SECOND, 1, NOW(3)) AS lasting
          FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id
          LEFT JOIN seat t ON t.schedule_id = s.schedule_id AND t.seat_no = @seat
          LEFT JOIN reservation r ON r.reservation_id = t.reservation_id
          WHERE s.schedule_id = @schedule;
        """;

    public static SeatRow Read(MySqlDataReader row) => new(
        IsClosed: row.GetBoolean(0),
        Queue: row.GetString(1),
        Exists: row.GetBoolean(2),
        HeldByUser: row.GetInt64(3),
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
