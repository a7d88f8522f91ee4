using System.Text.Json.Serialization;
using ConcertBooking.Infrastructure;
using Dapper;

namespace ConcertBooking.Concerts;

/// <param name="Status"><c>AVAILABLE</c>, <c>HELD</c> or <c>SOLD</c>.</param>
public sealed record SeatItem(int SeatNo, string Status);

public sealed record SeatList(long ScheduleId, long Price, int AvailableSeats, IReadOnlyList<SeatItem> Seats);

internal sealed class SeatPlanRow
{
    public long Price { get; set; }
    public int SeatCount { get; set; }
}

internal sealed class TakenSeatRow
{
    public int SeatNo { get; set; }
    public bool Sold { get; set; }
}

/// <summary>The seats of a schedule. Seats are numbered from 1, so only the taken ones are read.</summary>
internal static class ListSeats
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/schedules/{scheduleId:long}/seats", Handle)
            .WithName("ListSeats").WithTags("Catalogue").WithSummary("List the seats of a schedule")
            .Cached<SeatList>()
            .WithProblems(Problems.ScheduleNotFound);

    private const string ScheduleSql = "SELECT price AS Price, seat_count AS SeatCount FROM concert_schedule WHERE schedule_id = @scheduleId";

    private const string TakenSql = """
        SELECT seat_no AS SeatNo, status = 'CONFIRMED' AS Sold FROM reservation
        WHERE schedule_id = @scheduleId AND live = 1 AND (status = 'CONFIRMED' OR held_expires_at > NOW(3))
        """;

    private static Task<IResult> Handle(long scheduleId, MySql database, CatalogueCache cache) =>
        cache.Get($"seats/{scheduleId}", () => database.Read(
            async (connection, _) =>
            {
                var plan = await connection.QueryFirstOrDefaultAsync<SeatPlanRow>(ScheduleSql, new { scheduleId });
                return plan is null
                    ? CachedAnswer.Of(Problems.ScheduleNotFound)
                    : Build(scheduleId, plan, await connection.QueryAsync<TakenSeatRow>(TakenSql, new { scheduleId }));
            },
            CancellationToken.None));

    private static CachedAnswer Build(long scheduleId, SeatPlanRow plan, IEnumerable<TakenSeatRow> taken)
    {
        var seats = new SeatItem[plan.SeatCount];
        for (var index = 0; index < seats.Length; index++)
        {
            seats[index] = new SeatItem(index + 1, "AVAILABLE");
        }

        var available = plan.SeatCount;
        foreach (var seat in taken)
        {
            seats[seat.SeatNo - 1] = new SeatItem(seat.SeatNo, seat.Sold ? "SOLD" : "HELD");
            available--;
        }

        return CachedAnswer.Of(new SeatList(scheduleId, plan.Price, available, seats), ListSeatsJson.Web.SeatList);
    }
}

[JsonSerializable(typeof(SeatList))]
internal sealed partial class ListSeatsJson : JsonSerializerContext
{
    public static ListSeatsJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
