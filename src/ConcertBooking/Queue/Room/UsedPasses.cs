using Dapper;

namespace ConcertBooking.Queue.Room;

/// <summary>
/// Checks whether an admission restored after a loss had been used up: MySQL has the payment that Redis lost. As in
/// <c>Pay</c>, a payment uses the admission up unless its user had another unpaid hold there.
/// </summary>
internal sealed class UsedPasses(MySqlDatabase database)
{
    /// <summary>The end of a TIMESTAMP's range, in s since 1970: a payment at any time.</summary>
    private static readonly decimal LastMoment = new DateTimeOffset(Paging.LastMoment).ToUnixTimeSeconds();

    /// <summary>Payments by the user's confirmed reservations. A hold released since then counts as a hold at that time.</summary>
    public const string SelectSql = """
        SELECT COUNT(*)
        FROM reservation r JOIN payment p ON p.payment_id = r.payment_id
          JOIN concert_schedule s ON s.schedule_id = r.schedule_id JOIN concert c ON c.concert_id = s.concert_id
        WHERE r.user_id = @userId AND r.status = 'CONFIRMED' AND c.queue_name = @queue AND p.created_at > FROM_UNIXTIME(@issued)
          AND p.created_at < FROM_UNIXTIME(@until)
          AND NOT EXISTS (
            SELECT 1 FROM reservation h LEFT JOIN payment hp ON hp.payment_id = h.payment_id
              JOIN concert_schedule hs ON hs.schedule_id = h.schedule_id JOIN concert hc ON hc.concert_id = hs.concert_id
            WHERE h.user_id = @userId AND hc.queue_name = @queue AND COALESCE(h.booking_id, h.reservation_id) <> r.booking_id
              AND h.created_at <= p.created_at AND h.held_expires_at > p.created_at
              AND (hp.created_at IS NULL OR hp.created_at > p.created_at))
        """;

    /// <param name="issuedAt">Of the token, in µs since 1970.</param>
    /// <returns>False also when MySQL cannot be reached: without it nothing can be held or paid.</returns>
    public async Task<bool> IsUsedUpAsync(long userId, string queue, long issuedAt)
    {
        try
        {
            var (issued, until) = (issuedAt / 1e6m, LastMoment);
            return await database.ReadAsync(
                (connection, _) => connection.ExecuteScalarAsync<long>(
                    SelectSql, new { userId, queue, issued, until }, commandTimeout: MySqlLimits.StatementSeconds),
                CancellationToken.None) > 0;
        }
        catch (DatabaseUnavailableException)
        {
            return false;
        }
    }
}
