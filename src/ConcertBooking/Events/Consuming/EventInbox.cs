using Dapper;
using MySqlConnector;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// Inbox of processed events: the ids are stored in the transaction of the effect, so that a redelivered event has none.
/// They are deleted after two weeks, twice Kafka's default retention, so that no deleted event can be redelivered.
/// </summary>
internal sealed class EventInbox(MySqlDatabase database, TimeProvider time, ILogger<EventInbox> logger)
    : PeriodicService(TimeSpan.FromMinutes(1), time, logger)
{
    private const int ChunkSize = 1000;

    /// <summary>How long ids are kept, as in <see cref="DeleteSql"/>, less a day for clock differences.</summary>
    private static readonly TimeSpan Retention = TimeSpan.FromDays(13);

    /// <summary>Whether the event may have been processed so long ago that its id was deleted.</summary>
    public static bool MayBeForgotten(PaymentCompleted payment, TimeProvider time) => payment.PaidAt < time.GetUtcNow() - Retention;

    /// <summary>Stores the ids, in the transaction of their effect, and returns those that are new.</summary>
    public static async Task<HashSet<Guid>> RememberAsync(
        MySqlConnection connection, string consumer, IReadOnlyCollection<Guid> ids, CancellationToken cancellationToken)
    {
        var names = ids.Select(static (_, index) => $"@e{index}").ToList();
        await using var command = new MySqlCommand(
            $"""
            INSERT IGNORE INTO consumed_event (consumer, event_id, batch_id)
              VALUES {string.Join(',', names.Select(static name => $"(@consumer,{name},@batch)"))};
            SELECT event_id FROM consumed_event
              WHERE consumer = @consumer AND event_id IN ({string.Join(',', names)}) AND batch_id = @batch
            """,
            connection);
        command.Parameters.AddWithValue("@batch", Guid.CreateVersion7());
        return await ReadIdsAsync(command, consumer, ids, cancellationToken);
    }

    /// <summary>Returns those of the ids that are stored.</summary>
    public static async Task<HashSet<Guid>> FindAsync(
        MySqlConnection connection, string consumer, IReadOnlyCollection<Guid> ids, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(
            $"""
            SELECT event_id FROM consumed_event
              WHERE consumer = @consumer AND event_id IN ({string.Join(',', ids.Select(static (_, index) => $"@e{index}"))})
            """,
            connection);
        return await ReadIdsAsync(command, consumer, ids, cancellationToken);
    }

    private static async Task<HashSet<Guid>> ReadIdsAsync(
        MySqlCommand command, string consumer, IReadOnlyCollection<Guid> ids, CancellationToken cancellationToken)
    {
        command.Parameters.AddWithValue("@consumer", consumer);
        foreach (var (index, id) in ids.Index())
        {
            command.Parameters.AddWithValue($"@e{index}", id);
        }

        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = new HashSet<Guid>();
        while (await reader.ReadAsync(cancellationToken))
        {
            found.Add(reader.GetGuid(0));
        }

        return found;
    }

    private const string DeleteSql = """
        DELETE FROM consumed_event WHERE consumed_at < TIMESTAMPADD(DAY, -14, NOW(3)) ORDER BY consumed_at LIMIT @limit
        """;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        int deleted;
        do
        {
            deleted = await database.RunAsync(
                static (connection, _) => connection.ExecuteAsync(
                    DeleteSql, new { limit = ChunkSize }, commandTimeout: MySqlLimits.StatementSeconds),
                stoppingToken, MySqlLimits.Background);
        }
        while (deleted == ChunkSize);
    }
}
