using System.Buffers;
using System.Text;
using System.Text.Json;
using Dapper;
using MySqlConnector;

namespace ConcertBooking.Concerts;

internal sealed class HallRecord
{
    public int SeatCount { get; set; }
}

/// <summary>Inserts and reads halls, for the admin calls and the seed command. Nothing changes or deletes one.</summary>
internal static class Halls
{
    /// <summary>Rows of one statement, so that none exceeds the server's <c>max_allowed_packet</c>.</summary>
    private const int ChunkSize = 10_000;

    private const string InsertHallSql = """
        INSERT INTO hall (name, seat_count, sections) VALUES (@name, @seatCount, @sections); SELECT LAST_INSERT_ID()
        """;

    private const string InsertRowsSql = """
        INSERT INTO hall_row (hall_id, first_seat_no, seat_count, section, row_name, grade, depth)
          SELECT @hallId, w.first_seat_no, w.seat_count, w.section, w.row_name, w.grade, w.depth
          FROM JSON_TABLE(@rows, '$[*]' COLUMNS (
            first_seat_no INT PATH '$[0]', seat_count INT PATH '$[1]', section VARCHAR(30) PATH '$[2]', row_name VARCHAR(10) PATH '$[3]',
            grade VARCHAR(20) PATH '$[4]', depth INT PATH '$[5]')) w
        """;

    private const string InsertSeatsSql = """
        INSERT INTO hall_seat (hall_id, seat_no, section, row_name, label, grade)
          SELECT r.hall_id, w.seat_no, r.section, r.row_name, w.label, r.grade
          FROM JSON_TABLE(@rows, '$[*]' COLUMNS (
            seat_no INT PATH '$[0]', first_seat_no INT PATH '$[1]', label VARCHAR(10) PATH '$[2]')) w
          STRAIGHT_JOIN hall_row r ON r.hall_id = @hallId AND r.first_seat_no = w.first_seat_no
        """;

    private const string FindSql = "SELECT seat_count AS SeatCount FROM hall WHERE hall_id = @hallId";

    private const string GradesSql = "SELECT DISTINCT grade FROM hall_row WHERE hall_id = @hallId";

    /// <summary>Adds the hall with its rows and seats, or nothing.</summary>
    public static async Task<long> AddAsync(MySqlConnection connection, HallDesign hall)
    {
        // With its type: Dapper.AOT does not see what another generator writes, and would leave the call to reflection.
        string sections = JsonSerializer.Serialize(hall.Sections, HallDesignJson.Web.IReadOnlyListPlanSection);
        await using var transaction = await TimedTransaction.BeginAsync(connection);
        var hallId = await connection.ExecuteScalarAsync<long>(
            InsertHallSql, new { name = hall.Name, seatCount = hall.SeatCount, sections }, commandTimeout: MySqlLimits.BulkSeconds);
        var rows = hall.Sections.SelectMany(static section => section.Rows.Select((row, depth) => (section, row, depth)));
        foreach (var chunk in rows.Chunk(ChunkSize))
        {
            var json = Json(chunk, static (json, item) =>
            {
                json.WriteNumberValue(item.row.FirstSeatNo);
                json.WriteNumberValue(item.row.Labels.Count);
                json.WriteStringValue(item.section.Section);
                json.WriteStringValue(item.row.Row);
                json.WriteStringValue(item.section.Grade);
                json.WriteNumberValue(item.depth);
            });
            await connection.ExecuteAsync(InsertRowsSql, new { hallId, rows = json }, commandTimeout: MySqlLimits.BulkSeconds);
        }

        var seats = hall.Sections.SelectMany(static section => section.Rows)
            .SelectMany(static row => row.Labels.Select((label, index) => (row.FirstSeatNo, Index: index, Label: label)));
        foreach (var chunk in seats.Chunk(ChunkSize))
        {
            var json = Json(chunk, static (json, seat) =>
            {
                json.WriteNumberValue(seat.FirstSeatNo + seat.Index);
                json.WriteNumberValue(seat.FirstSeatNo);
                json.WriteStringValue(seat.Label);
            });
            await connection.ExecuteAsync(InsertSeatsSql, new { hallId, rows = json }, commandTimeout: MySqlLimits.BulkSeconds);
        }

        await transaction.CommitAsync();
        return hallId;
    }

    /// <returns>The number of its seats and its grades; null when there is no such hall.</returns>
    public static async Task<(int SeatCount, IReadOnlyList<string> Grades)?> FindAsync(MySqlConnection connection, long hallId)
    {
        var hall = await connection.QueryFirstOrDefaultAsync<HallRecord>(
            FindSql, new { hallId }, commandTimeout: MySqlLimits.StatementSeconds);
        return hall is null ? null : (hall.SeatCount, (await connection.QueryAsync<string>(
            GradesSql, new { hallId }, commandTimeout: MySqlLimits.StatementSeconds)).ToList());
    }

    /// <summary>An array of arrays, which JSON_TABLE reads as rows.</summary>
    private static string Json<T>(IEnumerable<T> items, Action<Utf8JsonWriter, T> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256 * 1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var item in items)
            {
                json.WriteStartArray();
                write(json, item);
                json.WriteEndArray();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
