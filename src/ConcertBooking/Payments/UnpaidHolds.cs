using MySqlConnector;

namespace ConcertBooking.Payments;

/// <summary>
/// Looks up holds for payments of users who are not admitted (any more): what they hold they may pay until the hold ends.
/// Lookups are batched and share one read connection, so that a crowd of payments that must be refused costs admitted users
/// next to nothing.
/// </summary>
internal sealed class UnpaidHolds
{
    private const int MaximumBatch = 100;

    /// <summary>Waits for more lookups, as <see cref="IdempotentAnswers"/> does.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly RequestBatcher<(Guid Id, long UserId), bool> _lookups;

    public UnpaidHolds(MySqlDatabase database) => _lookups = new(
        holds => database.ReadAsync((connection, token) => SelectAsync(connection, holds, token), CancellationToken.None),
        MaximumBatch, Pause);

    /// <summary>Whether the user holds this reservation or a seat of this booking, not overdue by the database's clock.</summary>
    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time, or the statement before did not end.</exception>
    public Task<bool> ContainsAsync(Guid id, long userId) =>
        MySqlLimits.Request.AwaitAsync(_lookups.EnqueueAsync((id, userId)));

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
