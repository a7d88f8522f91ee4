using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;
using ConcertBooking.Infrastructure;
using ConcertBooking.Queue;

namespace ConcertBooking.Admin;

public sealed record CreateConcertRequest([property: Required, StringLength(200, MinimumLength = 1)] string Title, string? Queue = null);

/// <summary>Adds a concert. A queue named here for the first time starts with the default settings.</summary>
internal static class CreateConcert
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/admin/concerts", Handle)
            .WithName("CreateConcert").WithTags("Admin").WithSummary("Add a concert")
            .WithAdmin()
            .Produces<ConcertItem>(StatusCodes.Status201Created)
            .WithBodyProblems();

    private static async Task<IResult> Handle(CreateConcertRequest request, MySql database)
    {
        var queue = request.Queue ?? IssueToken.DefaultQueue;
        if (!Queues.IsName(queue))
        {
            return AdminProblems.QueueName;
        }

        var concertId = await database.RunOnce(
            (connection, _) => Catalogue.AddConcert(connection, request.Title, queue), CancellationToken.None);
        return TypedResults.Created($"/v1/concerts/{concertId}/schedules", new ConcertItem(concertId, request.Title, queue));
    }
}

internal static class AdminProblems
{
    public static readonly Problem QueueName = Problem.Invalid("queue", "Must be 1 to 64 lower-case letters, digits, - or _.");
    public static readonly Problem StartsAt = Problem.Invalid("startsAt", "Must be a moment in UTC between the years 2000 and 9999.");

    /// <summary>Moments are kept in UTC; one without a zone is taken as UTC.</summary>
    public static bool TryUtc(DateTimeOffset moment, out DateTime utc)
    {
        utc = moment.UtcDateTime;
        return utc.Year >= 2000 && utc.Year <= 9999;
    }
}

[JsonSerializable(typeof(CreateConcertRequest))]
[JsonSerializable(typeof(ConcertItem))]
internal sealed partial class CreateConcertJson : JsonSerializerContext;
