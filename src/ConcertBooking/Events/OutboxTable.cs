using ConcertBooking.Infrastructure;
using MySqlConnector;

namespace ConcertBooking.Events;

/// <summary>A claimed event, as it is sent.</summary>
/// <param name="TraceParent">The span that wrote it; null when nobody collected its trace.</param>
internal sealed record OutboxEvent(
    Guid Id, string Topic, string Type, Guid Key, string Payload, DateTime CreatedAt, int Attempts, string? TraceParent);

/// <summary>
/// The outbox as the relays see it. Any number of them on any number of instances work on it; a claim leases rows by
/// moving their next attempt forward, so what a killed relay had claimed comes back by itself.
/// </summary>
internal sealed class OutboxTable(MySql database)
{
    /// <summary>Longer than a send may take, so that a lease ends only when its relay is gone or was paused.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Finds the oldest due rows. The claim row is locked by a statement of its own: the next statement starts after
    /// the wait and, reading committed data, sees every earlier claim. A row waits while an older one of its key is
    /// leased, backing off or dead; one that is due is older and so in the same claim, which is sent in order. A plain
    /// read: inside the UPDATE it would lock rows in the order of its index, against those that are being deleted.
    /// </summary>
    private const string FindSql = """
        START TRANSACTION;
        SELECT only_row FROM outbox_claim WHERE only_row = 1 FOR UPDATE;
        SELECT d.event_id, d.topic, d.event_type, d.event_key, d.payload, d.created_at, d.attempts, d.traceparent FROM outbox d
          WHERE d.state = 'PENDING' AND d.next_attempt_at <= NOW(6)
            AND NOT EXISTS (
              SELECT 1 FROM outbox e
              WHERE e.event_key = d.event_key
                AND (e.created_at < d.created_at OR (e.created_at = d.created_at AND e.event_id < d.event_id))
                AND (e.state = 'DEAD' OR e.next_attempt_at > NOW(6)))
          ORDER BY d.created_at, d.event_id LIMIT @limit
        """;

    public Task<List<OutboxEvent>> Claim(int limit, CancellationToken cancellationToken) => database.Run(
        async (connection, token) =>
        {
            var due = await Find(connection, limit, token);
            await using var claim = new MySqlCommand(due.Count == 0 ? "COMMIT" : ClaimSql(due.Count), connection);
            claim.Parameters.AddWithValue("@claim", Guid.CreateVersion7());
            claim.Parameters.AddWithValue("@lease", (int)Lease.TotalSeconds);
            AddIds(claim, due);
            await claim.ExecuteNonQueryAsync(token);
            return due;
        },
        cancellationToken, MySqlLimits.Background);

    private static async Task<List<OutboxEvent>> Find(MySqlConnection connection, int limit, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(FindSql, connection);
        command.Parameters.AddWithValue("@limit", limit);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken); // past the claim row
        var events = new List<OutboxEvent>();
        while (await reader.ReadAsync(cancellationToken))
        {
            events.Add(new OutboxEvent(
                reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetGuid(3), reader.GetString(4),
                reader.GetDateTime(5), reader.GetInt32(6), reader.IsDBNull(7) ? null : reader.GetString(7)));
        }

        return events;
    }

    private static string ClaimSql(int count) => $"""
        UPDATE outbox SET claim_id = @claim, next_attempt_at = TIMESTAMPADD(SECOND, @lease, NOW(6)) WHERE event_id IN ({Ids(count)});
        COMMIT
        """;

    private static string Ids(int count) => string.Join(',', Enumerable.Range(0, count).Select(static index => $"@e{index}"));

    private static void AddIds(MySqlCommand command, IReadOnlyList<OutboxEvent> events)
    {
        for (var index = 0; index < events.Count; index++)
        {
            command.Parameters.AddWithValue($"@e{index}", events[index].Id);
        }
    }

    /// <summary>Kafka has them: the rows go, and payments remember that theirs was sent, which is what verify asks for.</summary>
    public Task Acknowledge(IReadOnlyList<OutboxEvent> sent) => database.Run(
        async (connection, token) =>
        {
            var ids = Ids(sent.Count);
            var paid = sent.Where(static sentEvent => sentEvent.Topic == Outbox.PaymentsTopic).ToList();
            await using var command = new MySqlCommand(
                $"""
                START TRANSACTION;
                {(paid.Count == 0 ? "" : $"UPDATE payment SET published_at = NOW(6) WHERE reservation_id IN ({string.Join(',', paid.Select(static (_, index) => $"@p{index}"))});")}
                DELETE FROM outbox WHERE event_id IN ({ids});
                COMMIT
                """,
                connection);
            for (var index = 0; index < paid.Count; index++)
            {
                command.Parameters.AddWithValue($"@p{index}", paid[index].Key);
            }

            AddIds(command, sent);
            return await command.ExecuteNonQueryAsync(token);
        },
        CancellationToken.None, MySqlLimits.Background);

    private const string ReleaseSql = """
        UPDATE outbox SET next_attempt_at = NOW(6) WHERE event_id = @event AND state = 'PENDING'
        """;

    private const string RefuseSql = """
        UPDATE outbox
          SET state = IF(attempts + 1 >= @mostAttempts, 'DEAD', 'PENDING'), last_error = @error,
              next_attempt_at = TIMESTAMPADD(SECOND, LEAST(POW(2, attempts), 300), NOW(6)),
              attempts = attempts + 1
          WHERE event_id = @event AND state = 'PENDING'
        """;

    /// <summary>Not sent through no fault of their own: due again at once, and not counted.</summary>
    public Task Release(IReadOnlyList<OutboxEvent> unsent) => Each(unsent.Select(static unsentEvent => (unsentEvent.Id, Error: (string?)null)));

    /// <summary>Refused by Kafka as they are: tried again later and later, dead after <see cref="MostAttempts"/>.</summary>
    public Task Refuse(IReadOnlyList<(OutboxEvent Event, string Error)> refused) =>
        Each(refused.Select(static refusal => (refusal.Event.Id, (string?)refusal.Error)));

    private const int MostAttempts = 10;

    private Task<int> Each(IEnumerable<(Guid Id, string? Error)> changes) => database.Run(
        async (connection, token) =>
        {
            await using var batch = new MySqlBatch(connection);
            foreach (var (id, error) in changes)
            {
                var command = new MySqlBatchCommand(error is null ? ReleaseSql : RefuseSql);
                command.Parameters.AddWithValue("@event", id);
                if (error is not null)
                {
                    command.Parameters.AddWithValue("@error", error.Length > 500 ? error[..500] : error);
                    command.Parameters.AddWithValue("@mostAttempts", MostAttempts);
                }

                batch.BatchCommands.Add(command);
            }

            return await batch.ExecuteNonQueryAsync(token);
        },
        CancellationToken.None, MySqlLimits.Background);
}
