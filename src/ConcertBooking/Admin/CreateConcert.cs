using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;

namespace ConcertBooking.Admin;

public sealed record CreateConcertRequest(
    [property: Required, StringLength(Catalogue.MaximumTitleLength, MinimumLength = 1)] string Title, string? Queue = null);

/// <summary>Adds a concert. A queue that does not exist yet is created with the default settings.</summary>
internal static class CreateConcert
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/admin/concerts", HandleAsync)
            .WithName("CreateConcert").WithTags("Admin").WithSummary("Add a concert")
            .WithDescription("The concert belongs to a queue, `main` unless the body names another; one that does not exist yet is made.")
            .WithRequestExample(static () => new CreateConcertRequest("An Evening in the Round", IssueToken.DefaultQueue))
            .WithExample(static () => ConcertItem.Example, StatusCodes.Status201Created)
            .WithAdmin()
            .Produces<ConcertItem>(StatusCodes.Status201Created)
            .WithBodyProblems();

    private static async Task<IResult> HandleAsync(CreateConcertRequest request, MySqlDatabase database)
    {
        var queue = request.Queue ?? IssueToken.DefaultQueue;
        if (!Queues.IsName(queue))
        {
            return AdminProblems.QueueName;
        }

        var concertId = await database.RunOnceAsync(
            (connection, _) => Catalogue.AddConcertAsync(connection, request.Title, queue), CancellationToken.None);
        return TypedResults.Created($"/v1/concerts/{concertId}/schedules", new ConcertItem(concertId, request.Title, queue));
    }
}

[JsonSerializable(typeof(CreateConcertRequest))]
[JsonSerializable(typeof(ConcertItem))]
internal sealed partial class CreateConcertJson : JsonSerializerContext;
