using System.Text.Json.Serialization;
using Dapper;

namespace ConcertBooking.Admin;

/// <param name="Grades">Each needs a price in a schedule of the hall.</param>
public sealed record HallItem(long HallId, string Name, int SeatCount, IReadOnlyList<string> Grades);

public sealed record HallList(IReadOnlyList<HallItem> Items, string? NextCursor);

/// <summary>A grade of a hall.</summary>
internal sealed class HallGradeRow
{
    public long HallId { get; set; }
    public string Name { get; set; } = "";
    public int SeatCount { get; set; }
    public string Grade { get; set; } = "";
}

/// <summary>All halls, in the order in which they were added.</summary>
internal static class ListHalls
{
    private const char List = 'h';

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/admin/halls", HandleAsync)
            .WithName("ListHalls").WithTags("Admin").WithSummary("List halls")
            .WithDescription("All halls, in the order in which they were added, with the grades that need a price in a schedule.")
            .WithExample(static () => new HallList([new(1, "Harbour Hall", 69, ["R", "S"])], null))
            .WithPaging()
            .WithAdmin()
            .Produces<HallList>();

    private static async Task<IResult> HandleAsync(
        MySqlDatabase database, int? limit, string? cursor, CancellationToken cancellationToken)
    {
        if (!Paging.TryRead(limit, cursor, List, start: default, out var size, out var key, out var problem))
        {
            return problem;
        }

        var rows = await database.ReadAsync(
            (connection, _) => connection.QueryAsync<HallGradeRow>(
                SelectSql, new { after = key.Number, count = size + 1 }, commandTimeout: MySqlLimits.StatementSeconds),
            cancellationToken);
        var halls = rows.GroupBy(static row => row.HallId).Select(static grades => new HallItem(
            grades.Key, grades.First().Name, grades.First().SeatCount, [.. grades.Select(static row => row.Grade)])).ToList();
        var items = halls.Take(size).ToList();
        return TypedResults.Ok(new HallList(items, halls.Count > size ? Paging.Write(List, items[^1].HallId) : null));
    }

    /// <summary>A row for each grade, in the order in which the hall has them.</summary>
    private const string SelectSql = """
        SELECT h.hall_id AS HallId, h.name AS Name, h.seat_count AS SeatCount, r.grade AS Grade
        FROM (SELECT hall_id, name, seat_count FROM hall WHERE hall_id > @after ORDER BY hall_id LIMIT @count) h
        JOIN hall_row r ON r.hall_id = h.hall_id
        GROUP BY h.hall_id, h.name, h.seat_count, r.grade ORDER BY h.hall_id, MIN(r.first_seat_no)
        """;
}

[JsonSerializable(typeof(HallList))]
internal sealed partial class ListHallsJson : JsonSerializerContext;
