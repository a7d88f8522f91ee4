using ConcertBooking.Queue.Room;

namespace ConcertBooking.Queue;

/// <summary>Returns the user's place with a new token. Polling keeps a waiting place.</summary>
internal static class GetPlace
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/queue/tokens/current", HandleAsync)
            .WithName("GetPlace").WithTags("Queue").WithSummary("Ask for one's place")
            .WithDescription(
                "Returns the place with a new token, which replaces the older one. Poll again after `pollAfterMs`: a place that "
                + "nobody asks for is given up.")
            .WithExample(static () => PlaceResponse.Waiting)
            .WithQueueToken()
            .Produces<PlaceResponse>()
            .WithProblems(Problems.QueueUnavailable);

    private static async Task<IResult> HandleAsync(HttpContext context, WaitingRoom room, QueueTokens tokens, Settings settings)
    {
        var token = context.QueueToken();
        var place = await room.LookAsync(token);
        return place.Status is PlaceStatus.Gone
            ? Problems.QueueTokenExpired
            : TypedResults.Ok(PlaceAnswer.Create(place, token.UserId, token.Queue, tokens, settings));
    }
}
