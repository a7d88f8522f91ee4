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

    /// <summary>The taken seats, 64 in a row.</summary>
    private const string TakenSql = """
        SELECT (seat_no - 1) DIV 64 AS word, IF(status = 'CONFIRMED', 'S', 'H') AS letter, BIT_OR(1 << ((seat_no - 1) MOD 64)) AS seats
          FROM reservation WHERE schedule_id = @schedule AND live = 1 AND (status = 'CONFIRMED' OR held_expires_at > NOW(3))
          GROUP BY word, letter
        """;

    /// <summary>
    /// The same where thousands are taken, whose rows take MySQL three microseconds each: the seats with a live reservation from an
    /// index alone, and over them those that are held, or were and are not swept yet. One statement, since it must see one moment: a
    /// seat that is released between two would show as sold.
    /// </summary>
    private const string ManyTakenSql = """
        SELECT (seat_no - 1) DIV 64 AS word, 'S' AS letter, BIT_OR(1 << ((seat_no - 1) MOD 64)) AS seats
          FROM reservation FORCE INDEX (reservation_live) WHERE schedule_id = @schedule AND live = 1 GROUP BY word
        UNION ALL
        SELECT (seat_no - 1) DIV 64, IF(held_expires_at > NOW(3), 'H', 'A'), 1 << ((seat_no - 1) MOD 64)
          FROM reservation FORCE INDEX (reservation_due) WHERE schedule_id = @schedule AND status = 'HELD'
        ORDER BY letter DESC
        """;

    private const int ManyTaken = 5_000;

    /// <param name="before">The states when they were last read: they decide how to read them.</param>
    /// <returns>Null when there is no such schedule.</returns>
    public static async Task<SeatStates?> ReadAsync(
        MySqlConnection connection, long scheduleId, SeatStates? before, CancellationToken cancellationToken)
    {
        var hasManyTaken = before is not null && before.Letters.Length - before.AvailableSeats >= ManyTaken;
        await using var command = new MySqlCommand($"{ScheduleSql};{(hasManyTaken ? ManyTakenSql : TakenSql)}", connection);
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
            Mark(letters, 64 * reader.GetInt32(0), reader.GetUInt64(2), (byte)reader.GetString(1)[0]);
        }

        return new(price, hasStarted, letters);
    }

    private static void Mark(byte[] letters, int first, ulong seats, byte letter)
    {
        for (; seats != 0; seats &= seats - 1)
        {
            if (first + BitOperations.TrailingZeroCount(seats) is var index && index < letters.Length)
            {
                letters[index] = letter; // seat_count may be lower than a number that was sold
            }
        }
    }
}
