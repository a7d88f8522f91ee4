using System.Text.Json.Serialization;
using ConcertBooking.Queue.Room;
using ConcertBooking.Queue.Tokens;

namespace ConcertBooking.Queue;

public sealed record IssueTokenRequest(string? Queue = null);

/// <summary>Enters the waiting room. A user has one place in a queue, however often and from wherever it enters.</summary>
internal static class IssueToken
{
    public const string DefaultQueue = "main";

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/queue/tokens", HandleAsync)
            .WithName("IssueToken").WithTags("Queue").WithSummary("Enter a queue")
            .WithDescription(
                "Gives the caller a place in a queue, `main` unless the body names another, and the queue token of that place. A user "
                + "has one place in a queue: entering again, from wherever, returns the same place (200).")
            .WithRequestExample(static () => new IssueTokenRequest(DefaultQueue))
            .WithExample(static () => PlaceResponse.Waiting, StatusCodes.Status201Created, StatusCodes.Status200OK)
            .WithAccessToken()
            .Produces<PlaceResponse>(StatusCodes.Status201Created)
            .Produces<PlaceResponse>()
            .WithBodyProblems()
            .WithHeader("Proof-Of-Work", "The answer to a challenge, where the queue asks for one.")
            .WithProblems(
                Problems.ProofOfWorkNeeded, Problems.QueueNotFound, Problems.TooManyRequests, Problems.QueueUnavailable,
                Problems.QueueFull);

    private static async Task<IResult> HandleAsync(
        IssueTokenRequest? request, HttpContext context, Queues queues, WaitingRoom room, QueueTokens tokens, ProofOfWork proofOfWork,
        Settings settings, CancellationToken cancellationToken)
    {
        if (request?.Queue is { Length: > QueueTokens.MaximumQueueName })
        {
            return Problem.Invalid("queue", $"Must be no longer than {QueueTokens.MaximumQueueName} characters.");
        }

        if (await queues.FindAsync(request?.Queue ?? DefaultQueue, cancellationToken) is not { } queue)
        {
            return Problems.QueueNotFound;
        }

        var userId = context.UserId();
        if (await proofOfWork.CheckAsync(context, queue, userId) is { } refusal)
        {
            return refusal;
        }

        var place = await room.EnterAsync(queue.Name, userId);
        if (place.Status is PlaceStatus.Full)
        {
            return Problems.QueueFull;
        }

        var response = PlaceAnswer.Create(place, userId, queue.Name, tokens, settings);
        return place.Origin is PlaceOrigin.New ? TypedResults.Created((string?)null, response) : TypedResults.Ok(response);
    }
}

[JsonSerializable(typeof(IssueTokenRequest))]
internal sealed partial class IssueTokenJson : JsonSerializerContext;
