using System.Text.Json.Serialization;
using MySqlConnector;

namespace ConcertBooking.Rankings;

/// <param name="SoldOutSeconds">From the first payment to the last.</param>
public sealed record SoldOutSchedule(long ScheduleId, long ConcertId, string Title, long SoldOutSeconds);

public sealed record SoldOutList(IReadOnlyList<SoldOutSchedule> Items);

/// <summary>The schedules that sold out fastest.</summary>
internal static class ListSoldOut
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/rankings/sold-out", HandleAsync)
            .WithName("ListSoldOut").WithTags("Rankings").WithSummary("List the schedules that sold out fastest")
            .WithDescription("`soldOutSeconds` is the time from the first payment of a schedule to the payment of its last seat.")
            .WithExample(static () => new SoldOutList([new(1, 1, "An Evening in the Round", 42)]))
            .WithLimit()
            .Cached<SoldOutList>()
            .WithProblems(Problems.RankingsUnavailable);

    private static Task<IResult> HandleAsync(MySqlDatabase database, Ranking ranking, ResponseCache cache, int? limit) =>
        Paging.Limit(limit) is { } size
            ? cache.GetAsync($"rankings/sold-out/{size}", () => BuildAsync(database, ranking, size))
            : Task.FromResult<IResult>(Paging.LimitProblem);

    private static async Task<CachedResponse> BuildAsync(MySqlDatabase database, Ranking ranking, int size)
    {
        try
        {
            var fastest = await ranking.SoldOutAsync(size);
            var schedules = await SchedulesAsync(database, fastest.ConvertAll(static schedule => schedule.Id));
            var items = fastest.Where(schedule => schedules.ContainsKey(schedule.Id))
                .Select(schedule => new SoldOutSchedule(
                    schedule.Id, schedules[schedule.Id].ConcertId, schedules[schedule.Id].Title, schedule.Score / 1000))
                .ToList();
            return CachedResponse.Of(new SoldOutList(items), ListSoldOutJson.Web.SoldOutList);
        }
        catch (RedisUnavailableException)
        {
            return CachedResponse.Of(Problems.RankingsUnavailable);
        }
    }

    private static async Task<Dictionary<long, (long ConcertId, string Title)>> SchedulesAsync(MySqlDatabase database, List<long> ids)
    {
        if (ids.Count == 0)
        {
            return [];
        }

        return await database.RunAsync(
            async (connection, token) =>
            {
                await using var command = new MySqlCommand(
                    $"""
                    SELECT s.schedule_id, c.concert_id, c.title FROM concert_schedule s JOIN concert c ON c.concert_id = s.concert_id
                      WHERE s.schedule_id IN ({string.Join(',', ids)})
                    """,
                    connection);
                await using var reader = await command.ExecuteReaderAsync(token);
                var schedules = new Dictionary<long, (long, string)>();
                while (await reader.ReadAsync(token))
                {
                    schedules.Add(reader.GetInt64(0), (reader.GetInt64(1), reader.GetString(2)));
                }

                return schedules;
            },
            CancellationToken.None);
    }
}

[JsonSerializable(typeof(SoldOutList))]
internal sealed partial class ListSoldOutJson : JsonSerializerContext
{
    public static ListSoldOutJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
