using System.Text.Json;
using ConcertBooking.Queue.Room;
using ConcertBooking.Queue.Streams;

namespace ConcertBooking.Queue;

/// <summary>
/// A user's place as server-sent events with the body of GetPlace: <c>position</c> whenever it changes, at most once a second,
/// and last <c>active</c>; or <c>expired</c> when the place has ended, or <c>closed</c> when the user opened too many streams.
/// An open stream counts as polling.
/// </summary>
internal static class WatchPlace
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/queue/tokens/current/events", HandleAsync)
            .WithName("WatchPlace").WithTags("Queue").WithSummary("Watch one's place")
            .WithDescription(
                "Server-sent events: `position` whenever it changes, at most once a second; `active` once admitted, `expired` when "
                + "the place is gone, `closed` when the same user has opened a fifth stream, and after each of these the stream ends. "
                + "After `closed` (data `{\"code\":\"too_many_streams\"}`) do not connect again: another tab of the user does the "
                + "watching. The data of `position` and `active` is the body of GetPlace. Comments keep the connection alive; `retry` "
                + "states when to reconnect after a shutdown.")
            .WithExample(static () => Event("position", PlaceResponse.Waiting) + Event("active", PlaceResponse.Admitted))
            .WithQueueToken()
            .Produces<PlaceResponse>(StatusCodes.Status200OK, EventStream.ContentType)
            .WithProblems(Problems.QueueUnavailable);

    private static string Event(string name, PlaceResponse place) =>
        $"event: {name}\ndata: {JsonSerializer.Serialize(place, PlaceJson.Web.PlaceResponse)}\n\n";

    private static async Task<IResult> HandleAsync(
        HttpContext context, WaitingRoom room, QueuePositionBroadcaster broadcaster, QueueTokens tokens, Settings settings,
        TimeProvider time)
    {
        var token = context.QueueToken();
        var place = await room.LookAsync(token);
        if (place.Status is PlaceStatus.Gone)
        {
            return Problems.QueueTokenExpired;
        }

        if (!EventStream.TryBegin(context))
        {
            return TypedResults.Empty;
        }

        await broadcaster.FollowAsync(new PlaceStream(context, token, tokens, settings, time), place);
        return TypedResults.Empty;
    }
}
