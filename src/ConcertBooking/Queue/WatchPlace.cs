using ConcertBooking.Queue.Room;
using ConcertBooking.Queue.Streams;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertBooking.Queue;

/// <summary>
/// One's place as a stream of events, each with the body that asking would get: <c>position</c> whenever it changes,
/// at most once a second, then <c>active</c>, and the end; <c>expired</c> when the place is gone, <c>closed</c> when newer
/// streams of the user took its turn. An open stream counts as asking.
/// </summary>
internal static class WatchPlace
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/queue/tokens/current/events", HandleAsync)
            .WithName("WatchPlace").WithTags("Queue").WithSummary("Watch one's place")
            .WithDescription(
                "Server-sent events: `position` whenever it changes, at most once a second; `active` once admitted, `expired` when the "
                + "place is gone, `closed` when the same user has opened a fifth stream, and after each of these the stream ends. After "
                + "`closed` (data `{\"code\":\"too_many_streams\"}`) do not connect again: another tab of the user does the watching. "
                + "The data of `position` and `active` is the body of GetPlace. "
                + "Comments keep the connection alive; `retry` tells when to come back after a shutdown.")
            .WithQueueToken()
            .Produces<PlaceResponse>(StatusCodes.Status200OK, "text/event-stream")
            .WithProblems(Problems.QueueUnavailable);

    private static async Task<IResult> HandleAsync(HttpContext context, WaitingRoom room, QueuePositionBroadcaster streams, TimeProvider time)
    {
        var token = context.QueueToken();
        var place = await room.LookAsync(token);
        if (place.Status is PlaceStatus.Gone)
        {
            return Problems.QueueTokenExpired;
        }

        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers["X-Accel-Buffering"] = "no"; // or nginx would collect events
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return TypedResults.Empty; // nothing would be read from a stream
        }

        context.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        await streams.FollowAsync(new PlaceStream(context, token, time), place);
        return TypedResults.Empty;
    }
}
