using MySqlConnector;

namespace ConcertBooking.Events.Outbox;

/// <summary>A claimed outbox row.</summary>
/// <param name="TraceParent">The span that wrote it; null when it was not traced.</param>
internal sealed record OutboxEvent(
    Guid Id, string Topic, string Type, Guid Key, string Payload, DateTime CreatedAt, int Attempts, string? TraceParent);

/// <summary>The rows that one claim leased to this relay until the lease ends.</summary>
/// <param name="Id">In the rows until another relay claims them.</param>
/// <param name="Started">A moment before the lease began, on this machine's monotonic clock.</param>
/// <param name="Events">Oldest first.</param>
internal sealed record OutboxClaim(Guid Id, long Started, List<OutboxEvent> Events);

/// <summary>
/// The outbox table as a work queue with leases, for any number of relays. A claim leases rows by moving their next attempt
/// forward, so that rows of a killed relay become due again by themselves.
/// </summary>
internal sealed class OutboxTable(MySqlDatabase database, TimeProvider time)
{
    /// <summary>Expires only if its relay has ended or was paused: see <see cref="AllowsSend"/>.</summary>
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Whether a message sent now is acknowledged or given up before the lease ends, so that no other relay has claimed its
    /// row, and perhaps sent later ones of its key, meanwhile.
    /// </summary>
    public bool AllowsSend(OutboxClaim claim) => time.GetElapsedTime(claim.Started) < Lease - KafkaCluster.MessageTimeout - Margin;

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

    public Task<OutboxClaim> ClaimAsync(int limit, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        return database.RunAsync(
            async (connection, token) =>
            {
                var due = await FindAsync(connection, limit, token);
                var id = Guid.CreateVersion7();
                await using var claim = new MySqlCommand(due.Count == 0 ? "COMMIT" : ClaimSql(due.Count), connection);
                claim.Parameters.AddWithValue("@claim", id);
                claim.Parameters.AddWithValue("@lease", (int)Lease.TotalSeconds);
                AddIds(claim, "e", due.Select(static claimed => claimed.Id));
                await claim.ExecuteNonQueryAsync(token);
                return new OutboxClaim(id, started, due);
            },
            cancellationToken, MySqlLimits.Background);
    }

    private static async Task<List<OutboxEvent>> FindAsync(MySqlConnection connection, int limit, CancellationToken cancellationToken)
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
        UPDATE outbox SET claim_id = @claim, next_attempt_at = TIMESTAMPADD(SECOND, @lease, NOW(6)) WHERE event_id IN ({Ids("e", count)});
        COMMIT
        """;

    private static string Ids(string prefix, int count) =>
        string.Join(',', Enumerable.Range(0, count).Select(index => $"@{prefix}{index}"));

    private static void AddIds(MySqlCommand command, string prefix, IEnumerable<Guid> ids)
    {
        foreach (var (index, id) in ids.Index())
        {
            command.Parameters.AddWithValue($"@{prefix}{index}", id);
        }
    }

    /// <summary>
    /// Deletes rows that Kafka has acknowledged and marks their payments as published, which the verify command checks. A row
    /// that another relay has claimed stays until that relay has sent it: until then no later one of its key may be sent.
    /// </summary>
    public Task AcknowledgeAsync(IReadOnlyCollection<Guid> claims, IReadOnlyList<OutboxEvent> sent) => database.RunAsync(
        async (connection, token) =>
        {
            var paid = sent.Where(static sentEvent => sentEvent.Topic == OutboxEvents.PaymentsTopic)
                .Select(static sentEvent => sentEvent.Key).ToList();
            await using var command = new MySqlCommand(
                $"""
                START TRANSACTION;
                {(paid.Count == 0 ? "" : $"UPDATE payment SET published_at = NOW(6) WHERE booking_id IN ({Ids("p", paid.Count)});")}
                DELETE FROM outbox WHERE event_id IN ({Ids("e", sent.Count)}) AND claim_id IN ({Ids("c", claims.Count)});
                COMMIT
                """,
                connection);
            AddIds(command, "p", paid);
            AddIds(command, "e", sent.Select(static sentEvent => sentEvent.Id));
            AddIds(command, "c", claims);
            return await command.ExecuteNonQueryAsync(token);
        },
        CancellationToken.None, MySqlLimits.Background);

    /// <summary>Puts events off whose partition is unavailable; it is not counted as an attempt.</summary>
    public Task PutOffAsync(IReadOnlyCollection<Guid> claims, IReadOnlyList<OutboxEvent> unsent, TimeSpan delay) => database.RunAsync(
        async (connection, token) =>
        {
            await using var command = new MySqlCommand(
                $"""
                UPDATE outbox SET next_attempt_at = TIMESTAMPADD(MICROSECOND, @delay, NOW(6))
                  WHERE event_id IN ({Ids("e", unsent.Count)}) AND claim_id IN ({Ids("c", claims.Count)}) AND state = 'PENDING'
                """,
                connection);
            command.Parameters.AddWithValue("@delay", (long)delay.TotalMicroseconds);
            AddIds(command, "e", unsent.Select(static unsentEvent => unsentEvent.Id));
            AddIds(command, "c", claims);
            return await command.ExecuteNonQueryAsync(token);
        },
        CancellationToken.None, MySqlLimits.Background);

    private const string RefuseSql = """
        UPDATE outbox
          SET state = IF(attempts + 1 >= @maximumAttempts, 'DEAD', 'PENDING'), last_error = @error,
              next_attempt_at = TIMESTAMPADD(SECOND, LEAST(POW(2, attempts), 300), NOW(6)),
              attempts = attempts + 1
          WHERE event_id = @event AND claim_id = @claim AND state = 'PENDING'
        """;

    private const int MaximumAttempts = 10;

    /// <summary>Retries events that Kafka refused, with exponential backoff; dead after <see cref="MaximumAttempts"/>.</summary>
    public Task RefuseAsync(IEnumerable<(Guid Claim, OutboxEvent Event, string Error)> refused) => database.RunAsync(
        async (connection, token) =>
        {
            await using var batch = new MySqlBatch(connection);
            foreach (var (claim, refusedEvent, error) in refused)
            {
                var command = new MySqlBatchCommand(RefuseSql);
                command.Parameters.AddWithValue("@event", refusedEvent.Id);
                command.Parameters.AddWithValue("@claim", claim);
                command.Parameters.AddWithValue("@error", error.Length > 500 ? error[..500] : error);
                command.Parameters.AddWithValue("@maximumAttempts", MaximumAttempts);
                batch.BatchCommands.Add(command);
            }

            return await batch.ExecuteNonQueryAsync(token);
        },
        CancellationToken.None, MySqlLimits.Background);
}
