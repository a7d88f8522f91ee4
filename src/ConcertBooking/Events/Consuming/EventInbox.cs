using Dapper;
using MySqlConnector;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// The events whose effect a consumer has made, remembered in the transaction of the effect. They are forgotten after
/// two weeks: twice what Kafka keeps by default, so none of them can come again.
/// </summary>
internal sealed class EventInbox(MySqlDatabase database, TimeProvider time, ILogger<EventInbox> logger)
    : PeriodicService(TimeSpan.FromMinutes(1), time, logger)
{
    private const int ChunkSize = 1000;

    /// <summary>How long ids are remembered, as <see cref="DeleteSql"/> has it, less a day for clocks that differ.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromDays(13);

    /// <summary>What was paid before that may have had its effect and be forgotten.</summary>
    public static bool MayBeForgotten(PaymentCompleted payment, TimeProvider time) => payment.PaidAt < time.GetUtcNow() - Memory;

    /// <summary>Remembers the ids, in the transaction of their effect, and gives those that were not known, each once.</summary>
    public static async Task<HashSet<Guid>> RememberAsync(
        MySqlConnection connection, MySqlTransaction? transaction, string consumer, IReadOnlyCollection<Guid> ids, CancellationToken cancellationToken)
    {
        var names = ids.Select(static (_, index) => $"@e{index}").ToList();
        await using var command = new MySqlCommand(
            $"""
            INSERT IGNORE INTO consumed_event (consumer, event_id, batch_id)
              VALUES {string.Join(',', names.Select(static name => $"(@consumer,{name},@batch)"))};
            SELECT event_id FROM consumed_event
              WHERE consumer = @consumer AND event_id IN ({string.Join(',', names)}) AND batch_id = @batch
            """,
            connection, transaction);
        command.Parameters.AddWithValue("@batch", Guid.CreateVersion7());
        return await ReadIdsAsync(command, consumer, ids, cancellationToken);
    }

    /// <summary>Those that are remembered.</summary>
    public static async Task<HashSet<Guid>> KnownAsync(
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
        DELETE FROM consumed_event WHERE consumed_at < TIMESTAMPADD(DAY, -14, NOW(3)) ORDER BY consumed_at LIMIT 1000
        """;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        while (await database.RunAsync(static (connection, _) => connection.ExecuteAsync(DeleteSql, commandTimeout: MySqlLimits.StatementSeconds), stoppingToken, MySqlLimits.Background) == ChunkSize)
        {
        }
    }
}
