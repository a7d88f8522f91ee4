using System.Text.Json.Serialization;
using MySqlConnector;

namespace ConcertBooking.Rankings;

public sealed record TopConcert(long ConcertId, string Title, long SeatsSold);

public sealed record TopConcertList(IReadOnlyList<TopConcert> Items);

/// <summary>The concerts that sold most seats in the last 24 hours.</summary>
internal static class ListTopConcerts
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/rankings/concerts", HandleAsync)
            .WithName("ListTopConcerts").WithTags("Rankings").WithSummary("List the concerts that sold most")
            .WithDescription("Seats paid in the last 24 hours, most first. A payment counts within seconds.")
            .WithExample(static () => new TopConcertList([new(1, "An Evening in the Round", 412), new(2, "Second Night", 87)]))
            .WithLimit()
            .Cached<TopConcertList>()
            .WithProblems(Problems.RankingsUnavailable);

    private static Task<IResult> HandleAsync(MySqlDatabase database, Ranking ranking, ResponseCache cache, int? limit) =>
        Paging.Limit(limit) is { } size
            ? cache.GetAsync($"rankings/concerts/{size}", () => BuildAsync(database, ranking, size))
            : Task.FromResult<IResult>(Paging.LimitProblem);

    private static async Task<CachedResponse> BuildAsync(MySqlDatabase database, Ranking ranking, int size)
    {
        try
        {
            var top = await ranking.TopAsync(size);
            var titles = await TitlesAsync(database, top.ConvertAll(static concert => concert.Id));
            var items = top.Where(concert => titles.ContainsKey(concert.Id))
                .Select(concert => new TopConcert(concert.Id, titles[concert.Id], concert.Score))
                .OrderByDescending(static concert => concert.SeatsSold).ThenBy(static concert => concert.ConcertId).ToList();
            return CachedResponse.Of(new TopConcertList(items), ListTopConcertsJson.Web.TopConcertList);
        }
        catch (RedisUnavailableException)
        {
            return CachedResponse.Of(Problems.RankingsUnavailable);
        }
    }

    private static async Task<Dictionary<long, string>> TitlesAsync(MySqlDatabase database, List<long> concerts)
    {
        if (concerts.Count == 0)
        {
            return [];
        }

        return await database.RunAsync(
            async (connection, token) =>
            {
                await using var command = new MySqlCommand(
                    $"SELECT concert_id, title FROM concert WHERE concert_id IN ({string.Join(',', concerts)})", connection);
                await using var reader = await command.ExecuteReaderAsync(token);
                var titles = new Dictionary<long, string>();
                while (await reader.ReadAsync(token))
                {
                    titles.Add(reader.GetInt64(0), reader.GetString(1));
                }

                return titles;
            },
            CancellationToken.None);
    }
}

[JsonSerializable(typeof(TopConcertList))]
internal sealed partial class ListTopConcertsJson : JsonSerializerContext
{
    public static ListTopConcertsJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
