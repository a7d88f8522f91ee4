using MySqlConnector;

namespace ConcertBooking.Payments;

/// <summary>
/// Looks up holds for payments of users who are not admitted (any more): what they hold they may pay until the hold ends.
/// Batched, so that a crowd of payments that must be refused costs admitted users next to nothing.
/// </summary>
internal sealed class UnpaidHolds(MySqlDatabase database)
{
    private readonly BatchedReads<(Guid Id, long UserId), bool> _lookups = new(database, SelectAsync, canWait: true);

    /// <summary>Whether the user holds this reservation or a seat of this booking, not overdue by the database's clock.</summary>
    /// <inheritdoc cref="BatchedReads{TKey, TValue}.FindAsync" path="/exception"/>
    public Task<bool> ContainsAsync(Guid id, long userId) => _lookups.FindAsync((id, userId));

    private static async Task<IReadOnlyList<bool>> SelectAsync(
        MySqlConnection connection, IReadOnlyList<(Guid Id, long UserId)> holds, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(SelectSql(holds), connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var unpaid = new HashSet<(Guid, long)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var userId = reader.GetInt64(2);
            unpaid.UnionWith([(reader.GetGuid(0), userId), (reader.GetGuid(1), userId)]);
        }

        return [.. holds.Select(unpaid.Contains)];
    }

    /// <summary>By primary key, and by the key of bookings.</summary>
    private static string SelectSql(IReadOnlyList<(Guid Id, long UserId)> holds)
    {
        var ids = string.Join(',', holds.Select(static hold => $"X'{hold.Id:N}'"));
        return $"""
            SELECT reservation_id, COALESCE(booking_id, reservation_id), user_id FROM reservation FORCE INDEX (PRIMARY)
            WHERE reservation_id IN ({ids}) AND status = 'HELD' AND held_expires_at > NOW(3)
            UNION ALL
            SELECT reservation_id, booking_id, user_id FROM reservation FORCE INDEX (reservation_booking)
            WHERE booking_id IN ({ids}) AND status = 'HELD' AND held_expires_at > NOW(3)
            """;
    }
}
