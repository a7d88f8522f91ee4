using System.Text.Json.Serialization;
using ConcertBooking.Concerts.SeatStreams;

namespace ConcertBooking.Concerts;

/// <param name="States">One letter a seat, from seat 1: <c>A</c> available, <c>H</c> held, <c>S</c> sold, <c>B</c> blocked.</param>
public sealed record SeatSnapshot(long ScheduleId, int AvailableSeats, string States);

/// <summary>
/// The seats of a schedule as server-sent events: <c>snapshot</c>, then <c>delta</c> with those that have changed, at most twice a
/// second. The id of an event is a hash of the state after it, so a client may come back to any instance.
/// </summary>
internal static class WatchSeats
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/schedules/{scheduleId:long}/seats/events", HandleAsync)
            .WithName("WatchSeats").WithTags("Catalogue").WithSummary("Watch the seats of a schedule")
            .WithDescription(
                "Server-sent events: `snapshot` with one letter a seat from seat 1 (`A` available, `H` held, `S` sold, `B` blocked), then "
                + "`delta` (data `{\"seats\":[[7,\"H\"],[8,\"A\"]],\"availableSeats\":41}`) at most twice a second. A later `snapshot` "
                + "replaces what came before it. A client that reconnects with the `Last-Event-ID` of a state that the instance knows "
                + "gets the changes since then only. After `closed` (data `{\"code\":\"schedule_closed\"}`: the concert has started) "
                + "the stream ends: do not connect again. Comments keep the connection alive; `retry` states when to reconnect after a "
                + "shutdown. 503 `too_many_streams`: poll the list of seats, or try again later.")
            .WithParameter("scheduleId", "A schedule of a concert.", 1)
            .WithExample(static () =>
                "id: 5f2c9a\nevent: snapshot\ndata: {\"scheduleId\":1,\"availableSeats\":2,\"states\":\"AASH\"}\n\n"
                + "id: 83b01d\nevent: delta\ndata: {\"seats\":[[2,\"H\"]],\"availableSeats\":1}\n\n")
            .WithHeader("Last-Event-ID", "The id of the last event that the client has.")
            .Produces<SeatSnapshot>(StatusCodes.Status200OK, EventStream.ContentType)
            .WithProblems(Problems.ScheduleNotFound, Problems.TooManyRequests, Problems.TooManyStreams, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(long scheduleId, HttpContext context, SeatFeeds feeds)
    {
        if (await feeds.FindAsync(scheduleId) is not { } feed)
        {
            return Problems.ScheduleNotFound;
        }

        return await feeds.TryFollowAsync(feed, context) ? TypedResults.Empty : Problems.TooManyStreams;
    }
}

[JsonSerializable(typeof(SeatSnapshot))]
internal sealed partial class WatchSeatsJson : JsonSerializerContext;
