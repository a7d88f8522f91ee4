using ConcertBooking.Infrastructure;
using MySqlConnector;

namespace ConcertBooking.Rankings;

/// <summary>
/// Notices that Redis has no complete ranking, because it is new or lost its data, and reads it from MySQL. One
/// instance does; events go on being counted meanwhile, since counting a seat twice counts it once.
/// </summary>
internal sealed partial class RebuildRankings(MySql database, Ranking ranking, TimeProvider time, ILogger<RebuildRankings> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time, logger)
{
    private const int ChunkSize = 1000;

    /// <summary>The ids rise with time, so a payment that commits behind the reader is a new one, whose event will come.</summary>
    private const string ReadSql = """
        SELECT p.payment_id, s.concert_id, r.schedule_id, r.seat_no, p.created_at, s.seat_count
        FROM payment p JOIN reservation r ON r.reservation_id = p.reservation_id
        JOIN concert_schedule s ON s.schedule_id = r.schedule_id
        WHERE p.payment_id > @after ORDER BY p.payment_id LIMIT 1000
        """;

    protected override async Task Round(CancellationToken stoppingToken)
    {
        var token = Guid.NewGuid().ToString();
        if (!await ranking.Begin(token))
        {
            return;
        }

        var (after, count) = (Guid.Empty, 0);
        while (true)
        {
            var (last, seats) = await Read(after, stoppingToken);
            if (seats.Count > 0)
            {
                await ranking.Add(seats);
            }

            (after, count) = (last, count + seats.Count);
            if (seats.Count < ChunkSize)
            {
                break;
            }

            if (!await ranking.GoOn(token))
            {
                return; // Lost again: the next round begins anew.
            }
        }

        if (await ranking.End(token))
        {
            LogRebuilt(count);
        }
    }

    private Task<(Guid Last, List<SoldSeat> Seats)> Read(Guid after, CancellationToken cancellationToken) => database.Run(
        async (connection, token) =>
        {
            await using var command = new MySqlCommand(ReadSql, connection);
            command.Parameters.AddWithValue("@after", after);
            await using var reader = await command.ExecuteReaderAsync(token);
            var (last, seats) = (after, new List<SoldSeat>());
            while (await reader.ReadAsync(token))
            {
                last = reader.GetGuid(0);
                seats.Add(new SoldSeat(reader.GetInt64(1), reader.GetInt64(2), reader.GetInt32(3), reader.GetDateTime(4), reader.GetInt32(5)));
            }

            return (last, seats);
        },
        cancellationToken, MySqlLimits.Background);

    [LoggerMessage(Level = LogLevel.Information, Message = "The rankings were rebuilt from {Count} payments")]
    private partial void LogRebuilt(int count);
}
