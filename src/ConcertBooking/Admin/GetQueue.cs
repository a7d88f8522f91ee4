using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;

namespace ConcertBooking.Admin;

/// <summary>Reads the settings and current counts of a queue.</summary>
internal static class GetQueue
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/admin/queues/{name}", HandleAsync)
            .WithName("GetQueue").WithTags("Admin").WithSummary("Look at a queue")
            .WithDescription("How many users wait and are admitted, and the settings of the queue.")
            .WithParameter("name", "The name of a queue: small letters, digits, `-` and `_`.", IssueToken.DefaultQueue)
            .WithExample(static () => QueueResponse.Example)
            .WithAdmin()
            .Produces<QueueResponse>()
            .WithProblems(Problems.QueueNotFound, Problems.QueueUnavailable);

    private static async Task<IResult> HandleAsync(string name, Queues queues, WaitingRoom room, CancellationToken cancellationToken)
    {
        if (await queues.FindAsync(name, cancellationToken) is not { } queue)
        {
            return Problems.QueueNotFound;
        }

        return TypedResults.Ok(QueueResponse.Of(queue, await room.CountAsync(queue)));
    }
}
