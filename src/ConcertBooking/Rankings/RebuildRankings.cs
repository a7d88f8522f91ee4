using MySqlConnector;

namespace ConcertBooking.Rankings;

/// <summary>
/// Rebuilds the rankings from MySQL into a new generation: when Redis has none, because it is new or lost its data, or when
/// they count payments that MySQL does not have, because it was restored from a backup. One instance rebuilds; events are
/// counted meanwhile, since counting a seat is idempotent.
/// </summary>
internal sealed partial class RebuildRankings(MySqlDatabase database, Ranking ranking, TimeProvider time, ILogger<RebuildRankings> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time, logger)
{
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(5);

    /// <summary>Events of payments that MySQL does not have may keep arriving; reading all payments is expensive.</summary>
    private static readonly TimeSpan RebuildInterval = TimeSpan.FromMinutes(1);

    private long? _checkedAt;
    private long? _outdatedAt;

    private const int ChunkSize = 1000;

    /// <summary>The ids rise with time, so a payment that commits behind the reader is new, and its event will arrive.</summary>
    private const string ReadSql = """
        SELECT p.payment_id, s.concert_id, r.schedule_id, r.seat_no, p.created_at, s.seat_count
        FROM (SELECT payment_id, created_at FROM payment WHERE payment_id > @after ORDER BY payment_id LIMIT @limit) p
        LEFT JOIN reservation r ON r.payment_id = p.payment_id LEFT JOIN concert_schedule s ON s.schedule_id = r.schedule_id
        ORDER BY p.payment_id
        """;

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        await CheckAsync(stoppingToken);
        var generation = Guid.NewGuid().ToString("N");
        if (!await ranking.BeginAsync(generation))
        {
            return;
        }

        var (after, count) = (Guid.Empty, 0);
        while (true)
        {
            var (last, seats) = await ReadAsync(after, stoppingToken);
            if (seats.Count > 0 && !await ranking.BuildAsync(generation, seats))
            {
                return; // Lost again: the next round starts over.
            }

            if (last == after)
            {
                break;
            }

            (after, count) = (last, count + seats.Count);
        }

        if (await ranking.EndAsync(generation))
        {
            LogRebuilt(count);
        }

        while (await ranking.DiscardAsync())
        {
        }
    }

    /// <summary>Checks that MySQL still has payments that were counted; a restore loses the newest ones first.</summary>
    private async Task CheckAsync(CancellationToken stoppingToken)
    {
        if (!IsDue(_checkedAt, CheckInterval) || !IsDue(_outdatedAt, RebuildInterval))
        {
            return;
        }

        _checkedAt = Time.GetTimestamp();
        var (generation, payments) = await ranking.WitnessesAsync();
        if (payments.Count > 0 && await CountKnownAsync(payments, stoppingToken) is var known && known < payments.Count)
        {
            _outdatedAt = Time.GetTimestamp();
            await ranking.OutdateAsync(generation);
            LogOutdated(payments.Count - known);
        }
    }

    private bool IsDue(long? last, TimeSpan interval) => last is not { } moment || Time.GetElapsedTime(moment) >= interval;

    private Task<long> CountKnownAsync(List<Guid> payments, CancellationToken cancellationToken) => database.RunAsync(
        async (connection, token) =>
        {
            await using var command = new MySqlCommand(
                $"""
                SELECT COUNT(*) FROM payment
                  WHERE payment_id IN ({string.Join(',', payments.Select(static (_, index) => $"@p{index}"))})
                """,
                connection);
            foreach (var (index, payment) in payments.Index())
            {
                command.Parameters.AddWithValue($"@p{index}", payment);
            }

            return (long)(await command.ExecuteScalarAsync(token))!;
        },
        cancellationToken);

    private Task<(Guid Last, List<SoldSeat> Seats)> ReadAsync(Guid after, CancellationToken cancellationToken) => database.RunAsync(
        async (connection, token) =>
        {
            await using var command = new MySqlCommand(ReadSql, connection);
            command.Parameters.AddWithValue("@after", after);
            command.Parameters.AddWithValue("@limit", ChunkSize);
            await using var reader = await command.ExecuteReaderAsync(token);
            var (last, seats) = (after, new List<SoldSeat>());
            while (await reader.ReadAsync(token))
            {
                last = reader.GetGuid(0);
                if (reader.IsDBNull(1))
                {
                    continue; // of the build before, and not yet adopted: its event will arrive
                }

                seats.Add(new SoldSeat(
                    last, reader.GetInt64(1), reader.GetInt64(2), reader.GetInt32(3), reader.GetDateTime(4), reader.GetInt32(5)));
            }

            return (last, seats);
        },
        cancellationToken, MySqlLimits.Background);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The rankings count payments that MySQL does not have, {Count} of those looked for: they are rebuilt")]
    private partial void LogOutdated(long count);

    [LoggerMessage(Level = LogLevel.Information, Message = "The rankings were rebuilt from {Count} payments")]
    private partial void LogRebuilt(int count);
}
