using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dapper;
using MySqlConnector;

namespace ConcertBooking.Concerts;

/// <param name="StartsAt">In UTC, as all times here.</param>
/// <param name="Hall">Its name; empty where the schedule has none: then one section and one row, without names, have all seats.</param>
/// <param name="Grades">The dearest first.</param>
/// <param name="SalesOpenAt">Null: at once.</param>
/// <param name="SalesCloseAt">Null: when the concert starts.</param>
/// <param name="MaxPerUser">Seats that one user may hold and have paid; 0: no limit.</param>
public sealed record PlanResponse(
    long ScheduleId, long ConcertId, string Title, DateTime StartsAt, string Hall, IReadOnlyList<GradePrice> Grades,
    IReadOnlyList<PlanSection> Sections, DateTime? SalesOpenAt, DateTime? SalesCloseAt, int MaxPerUser)
{
    internal static PlanResponse Example => new(
        1, 1, "An Evening in the Round", new DateTime(2026, 12, 24, 19, 0, 0, DateTimeKind.Utc), "Harbour Hall", [new("R", 165_000)],
        [new("Left", "R", new HallLayout(-13, 5, 25, 0.1m), [new("1", 1, ["1", "2", "3"])])],
        new DateTime(2026, 12, 1, 10, 0, 0, DateTimeKind.Utc), null, 4);
}

internal sealed class PlanScheduleRow
{
    public long ConcertId { get; set; }
    public string Title { get; set; } = "";
    public DateTime StartsAt { get; set; }
    public long Price { get; set; }
    public int SeatCount { get; set; }
    public DateTime? SalesOpenAt { get; set; }
    public DateTime? SalesCloseAt { get; set; }
    public int? MaxPerUser { get; set; }
    public long? HallId { get; set; }
    public string? HallName { get; set; }
}

internal sealed class GradePriceRow
{
    public string Grade { get; set; } = "";
    public long Price { get; set; }
}

internal sealed class HallSectionsRow
{
    public byte[] Sections { get; set; } = [];
}

/// <summary>What a page needs to draw the seats of a schedule, and what does not change while they sell.</summary>
internal static class GetPlan
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/schedules/{scheduleId:long}/plan", HandleAsync)
            .WithName("GetPlan").WithTags("Catalogue").WithSummary("Read the plan of a schedule")
            .WithDescription(
                "Sections, rows, labels and prices: what a page needs to draw the seats, and what does not change while they sell. "
                + "Seat numbers run on through the rows from each row's `firstSeatNo`. A schedule without a hall is one section and one "
                + "row, without names.")
            .WithParameter("scheduleId", "A schedule of a concert.", 1)
            .WithExample(static () => PlanResponse.Example)
            .Cached<PlanResponse>()
            .WithProblems(Problems.ScheduleNotFound);

    private static Task<IResult> HandleAsync(long scheduleId, MySqlDatabase database, ResponseCache cache, Settings settings) =>
        cache.GetAsync($"plan/{scheduleId}", previous => database.ReadAsync(
            (connection, _) => BuildAsync(connection, scheduleId, settings.PurchasesPerUser, previous), CancellationToken.None));

    /// <summary>
    /// The sections of a hall never change, and are up to a few MB: they are read only when the plan is built for the first time or
    /// something around them has changed.
    /// </summary>
    private static async Task<CachedResponse> BuildAsync(
        MySqlConnection connection, long scheduleId, int purchasesPerUser, CachedResponse? previous)
    {
        var schedule = await connection.QueryFirstOrDefaultAsync<PlanScheduleRow>(
            ScheduleSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds);
        if (schedule is null)
        {
            return CachedResponse.Of(Problems.ScheduleNotFound);
        }

        if (schedule.HallId is not { } hallId)
        {
            var (start, end) = Frame(scheduleId, schedule, [new GradePriceRow { Price = schedule.Price }], purchasesPerUser);
            return CachedResponse.Of([.. start.Span, .. OneRow(schedule.SeatCount).Span, .. end.Span]);
        }

        var grades = await connection.QueryAsync<GradePriceRow>(
            PricesSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds);
        var (before, after) = Frame(scheduleId, schedule, grades, purchasesPerUser);
        ReadOnlySpan<byte> last = previous?.Bytes;
        if (last.StartsWith(before.Span) && last.EndsWith(after.Span))
        {
            return previous!;
        }

        var hall = await connection.QueryFirstAsync<HallSectionsRow>(
            SectionsSql, new { hallId }, commandTimeout: MySqlLimits.StatementSeconds);
        return CachedResponse.Of([.. before.Span, .. hall.Sections, .. after.Span]);
    }

    /// <summary>The JSON of a <see cref="PlanResponse"/> before the value of its sections, and after it.</summary>
    private static (ReadOnlyMemory<byte> Before, ReadOnlyMemory<byte> After) Frame(
        long scheduleId, PlanScheduleRow schedule, IEnumerable<GradePriceRow> grades, int purchasesPerUser)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteNumber("scheduleId", scheduleId);
        json.WriteNumber("concertId", schedule.ConcertId);
        json.WriteString("title", schedule.Title);
        json.WriteString("startsAt", Utc(schedule.StartsAt));
        json.WriteString("hall", schedule.HallName ?? "");
        json.WriteStartArray("grades");
        foreach (var grade in grades)
        {
            json.WriteStartObject();
            json.WriteString("grade", grade.Grade);
            json.WriteNumber("price", grade.Price);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WritePropertyName("sections");
        json.Flush();
        var before = buffer.WrittenCount;
        json.WriteNumberValue(0); // one byte, in place of the sections
        WriteTime(json, "salesOpenAt", schedule.SalesOpenAt);
        WriteTime(json, "salesCloseAt", schedule.SalesCloseAt);
        json.WriteNumber("maxPerUser", schedule.MaxPerUser ?? purchasesPerUser);
        json.WriteEndObject();
        json.Flush();
        return (buffer.WrittenMemory[..before], buffer.WrittenMemory[(before + 1)..]);
    }

    private static void WriteTime(Utf8JsonWriter json, string name, DateTime? time)
    {
        if (time is { } moment)
        {
            json.WriteString(name, Utc(moment));
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static DateTime Utc(DateTime time) => DateTime.SpecifyKind(time, DateTimeKind.Utc);

    /// <summary>The sections of a schedule without a hall.</summary>
    private static ReadOnlyMemory<byte> OneRow(int seatCount)
    {
        var buffer = new ArrayBufferWriter<byte>(128 + (9 * seatCount));
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartArray();
        json.WriteStartObject();
        json.WriteString("section", "");
        json.WriteString("grade", "");
        json.WriteNull("layout");
        json.WriteStartArray("rows");
        json.WriteStartObject();
        json.WriteString("row", "");
        json.WriteNumber("firstSeatNo", 1);
        json.WriteStartArray("labels");
        Span<byte> label = stackalloc byte[10];
        for (var seatNo = 1; seatNo <= seatCount; seatNo++)
        {
            seatNo.TryFormat(label, out var length, provider: CultureInfo.InvariantCulture);
            json.WriteStringValue(label[..length]);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private const string ScheduleSql = $"""
        SELECT s.concert_id AS ConcertId, c.title AS Title, s.starts_at AS StartsAt, s.price AS Price,
               {Catalogue.SeatCountSql} AS SeatCount, s.sales_open_at AS SalesOpenAt, s.sales_close_at AS SalesCloseAt,
               s.max_per_user AS MaxPerUser,
               s.hall_id AS HallId, h.name AS HallName
        FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id LEFT JOIN hall h ON h.hall_id = s.hall_id
        WHERE s.schedule_id = @scheduleId
        """;

    private const string PricesSql = """
        SELECT grade AS Grade, price AS Price FROM schedule_price WHERE schedule_id = @scheduleId ORDER BY price DESC, grade
        """;

    private const string SectionsSql = "SELECT CAST(sections AS BINARY) AS Sections FROM hall WHERE hall_id = @hallId";
}

/// <summary>For the OpenAPI document; <see cref="GetPlan"/> writes the plan itself, around the stored sections.</summary>
[JsonSerializable(typeof(PlanResponse))]
internal sealed partial class GetPlanJson : JsonSerializerContext;
