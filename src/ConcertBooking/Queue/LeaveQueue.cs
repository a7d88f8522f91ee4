using ConcertBooking.Queue.Room;

namespace ConcertBooking.Queue;

/// <summary>Gives the user's place up; the next user has it before the response is sent.</summary>
internal static class LeaveQueue
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapDelete("/v1/queue/tokens/current", HandleAsync)
            .WithHighPriority()
            .WithName("LeaveQueue").WithTags("Queue").WithSummary("Leave the queue")
            .WithDescription(
                "Gives the place up, waiting or admitted; the next user in line is admitted at once. Holds stay and can still be "
                + "paid.")
            .WithQueueToken()
            .Produces(StatusCodes.Status204NoContent)
            .WithProblems(Problems.QueueUnavailable);

    private static async Task<IResult> HandleAsync(HttpContext context, WaitingRoom room) =>
        await room.LeaveAsync(context.QueueToken()) ? TypedResults.NoContent() : Problems.QueueTokenExpired;
}
