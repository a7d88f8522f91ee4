using System.Text.Json.Serialization;
using Dapper;

namespace ConcertBooking.Concerts;

public sealed record ConcertItem(long ConcertId, string Title, string Queue)
{
    internal static ConcertItem Example => new(1, "An Evening in the Round", "main");
}

public sealed record ConcertList(IReadOnlyList<ConcertItem> Items, string? NextCursor);

internal sealed class ConcertRow
{
    public long ConcertId { get; set; }
    public string Title { get; set; } = "";
    public string Queue { get; set; } = "";
}

/// <summary>All concerts, in the order in which they were added.</summary>
internal static class ListConcerts
{
    private const char List = 'c';

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/concerts", HandleAsync)
            .WithName("ListConcerts").WithTags("Catalogue").WithSummary("List concerts")
            .WithDescription("All concerts, in the order in which they were added. `queue` is the queue to enter for a concert.")
            .WithExample(static () => new ConcertList([ConcertItem.Example], "YwAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAA"))
            .WithPaging()
            .Cached<ConcertList>();

    private const string SelectSql = """
        SELECT concert_id AS ConcertId, title AS Title, queue_name AS Queue
        FROM concert WHERE concert_id > @after ORDER BY concert_id LIMIT @count
        """;

    private static Task<IResult> HandleAsync(MySqlDatabase database, ResponseCache cache, int? limit, string? cursor) =>
        Paging.TryRead(limit, cursor, List, start: default, out var size, out var key, out var problem)
            ? cache.GetAsync($"concerts/{key.Number}/{size}", () => BuildAsync(database, key.Number, size))
            : Task.FromResult<IResult>(problem);

    private static async Task<CachedResponse> BuildAsync(MySqlDatabase database, long after, int size)
    {
        var rows = await database.ReadAsync(
            async (connection, _) => (await connection.QueryAsync<ConcertRow>(
                SelectSql, new { after, count = size + 1 }, commandTimeout: MySqlLimits.StatementSeconds)).ToList(),
            CancellationToken.None);
        var items = rows.Take(size).Select(row => new ConcertItem(row.ConcertId, row.Title, row.Queue)).ToList();
        var next = rows.Count > size ? Paging.Write(List, items[^1].ConcertId) : null;
        return CachedResponse.Of(new ConcertList(items, next), ListConcertsJson.Web.ConcertList);
    }
}

[JsonSerializable(typeof(ConcertList))]
internal sealed partial class ListConcertsJson : JsonSerializerContext
{
    public static ListConcertsJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
