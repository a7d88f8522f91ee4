using System.Text.Json.Serialization;
using Dapper;

namespace ConcertBooking.Concerts;

/// <param name="Price">Whole points.</param>
public sealed record ScheduleItem(long ScheduleId, DateTime StartsAt, long Price, int SeatCount, int AvailableSeats)
{
    internal static ScheduleItem Example => new(1, new DateTime(2026, 12, 24, 19, 0, 0, DateTimeKind.Utc), 50_000, 50, 49);
}

public sealed record ScheduleList(long ConcertId, IReadOnlyList<ScheduleItem> Items);

internal sealed class ScheduleRow
{
    public long? ScheduleId { get; set; }
    public DateTime? StartsAt { get; set; }
    public long? Price { get; set; }
    public int? SeatCount { get; set; }
    public int Taken { get; set; }

    /// <summary>The columns of a row of <c>concert_schedule s</c>.</summary>
    public const string ColumnsSql = $"""
        s.schedule_id AS ScheduleId, s.starts_at AS StartsAt, s.price AS Price, {Catalogue.SeatCountSql} AS SeatCount,
               (SELECT COUNT(*) FROM reservation r
                WHERE r.schedule_id = s.schedule_id AND r.live = 1 AND r.seat_no <= s.seat_count
                  AND (r.status = 'CONFIRMED' OR r.held_expires_at > NOW(3))) AS Taken

        """;

    /// <summary>For a row that has a schedule.</summary>
    public ScheduleItem ToItem() => new(
        ScheduleId!.Value, DateTime.SpecifyKind(StartsAt!.Value, DateTimeKind.Utc), Price!.Value,
        SeatCount!.Value, SeatCount.Value - Taken);
}

/// <summary>The schedules of a concert, soonest first, with their number of available seats.</summary>
internal static class ListSchedules
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/concerts/{concertId:long}/schedules", HandleAsync)
            .WithName("ListSchedules").WithTags("Catalogue").WithSummary("List the schedules of a concert")
            .WithDescription(
                "The schedules of a concert, soonest first. `price` is the lowest where seats of different grades have different "
                + "prices.")
            .WithParameter("concertId", "A concert of `GET /v1/concerts`.", 1)
            .WithExample(static () => new ScheduleList(1, [ScheduleItem.Example]))
            .Cached<ScheduleList>()
            .WithProblems(Problems.ConcertNotFound);

    /// <summary>No row: no such concert. One row of NULLs: it has no schedule yet.</summary>
    private const string SelectSql = "SELECT " + ScheduleRow.ColumnsSql + """
        FROM concert c LEFT JOIN concert_schedule s ON s.concert_id = c.concert_id
        WHERE c.concert_id = @concertId
        ORDER BY s.starts_at, s.schedule_id
        """;

    private static Task<IResult> HandleAsync(long concertId, MySqlDatabase database, ResponseCache cache) =>
        cache.GetAsync($"schedules/{concertId}", () => BuildAsync(database, concertId));

    private static async Task<CachedResponse> BuildAsync(MySqlDatabase database, long concertId)
    {
        var rows = await database.ReadAsync(
            async (connection, _) => (await connection.QueryAsync<ScheduleRow>(
                SelectSql, new { concertId }, commandTimeout: MySqlLimits.StatementSeconds)).ToList(),
            CancellationToken.None);
        if (rows.Count == 0)
        {
            return CachedResponse.Of(Problems.ConcertNotFound);
        }

        var items = rows.Where(row => row.ScheduleId is not null).Select(row => row.ToItem()).ToList();
        return CachedResponse.Of(new ScheduleList(concertId, items), ListSchedulesJson.Web.ScheduleList);
    }
}

[JsonSerializable(typeof(ScheduleList))]
internal sealed partial class ListSchedulesJson : JsonSerializerContext
{
    public static ListSchedulesJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
