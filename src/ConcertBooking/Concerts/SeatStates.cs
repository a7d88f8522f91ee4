using System.Numerics;
using MySqlConnector;

namespace ConcertBooking.Concerts;

/// <summary>The seats of a schedule by MySQL, at one moment.</summary>
/// <param name="Price">The schedule's; the lowest where grades differ.</param>
/// <param name="HasStarted">The concert has.</param>
/// <param name="Letters">One a seat, by seat number minus 1: <see cref="Available"/>, <see cref="Held"/> or <see cref="Sold"/>.</param>
internal sealed record SeatStates(long Price, bool HasStarted, byte[] Letters)
{
    public const byte Available = (byte)'A', Held = (byte)'H', Sold = (byte)'S';

    public int AvailableSeats { get; } = Letters.AsSpan().Count(Available);

    private const string ScheduleSql = $"""
        SELECT s.price, s.starts_at <= NOW(3) AS started, {Catalogue.SeatCountSql} AS seat_count
          FROM concert_schedule s WHERE s.schedule_id = @schedule
        """;

    /// <summary>The taken seats, 64 in a row: bits of those with a live reservation, and of those among them that are sold.</summary>
    private const string TakenSql = """
        SELECT (seat_no - 1) DIV 64 AS word, BIT_OR(1 << ((seat_no - 1) MOD 64)) AS taken,
               BIT_OR((status = 'CONFIRMED') << ((seat_no - 1) MOD 64)) AS sold
          FROM reservation WHERE schedule_id = @schedule AND live = 1 AND (status = 'CONFIRMED' OR held_expires_at > NOW(3))
          GROUP BY word
        """;

    /// <returns>Null when there is no such schedule.</returns>
    public static async Task<SeatStates?> ReadAsync(
        MySqlConnection connection, long scheduleId, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand($"{ScheduleSql};{TakenSql}", connection);
        command.Parameters.AddWithValue("@schedule", scheduleId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            return null;
        }

        var (price, hasStarted, letters) = (reader.GetInt64(0), reader.GetBoolean(1), new byte[reader.GetInt32(2)]);
        Array.Fill(letters, Available);
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            Mark(letters, 64 * reader.GetInt32(0), reader.GetUInt64(1), reader.GetUInt64(2));
        }

        return new(price, hasStarted, letters);
    }

    private static void Mark(byte[] letters, int first, ulong taken, ulong sold)
    {
        for (; taken != 0; taken &= taken - 1)
        {
            var bit = BitOperations.TrailingZeroCount(taken);
            if (first + bit < letters.Length) // seat_count may be lower than a number that was sold
            {
                letters[first + bit] = (sold >> bit & 1) == 0 ? Held : Sold;
            }
        }
    }
}
