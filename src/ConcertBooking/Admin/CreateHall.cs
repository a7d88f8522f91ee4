using System.Text.Json.Serialization;
using ConcertBooking.Concerts;

namespace ConcertBooking.Admin;

/// <param name="Sections">In any order: seat numbers run on from 1 through all rows as they stand here.</param>
public sealed record CreateHallRequest(string Name, IReadOnlyList<NewHallSection> Sections);

public sealed record CreateHallResponse(long HallId, int SeatCount);

/// <summary>
/// Adds a hall for schedules. Its rules are checked here and not by attributes, so that a body of 1 MiB is refused for the first
/// thing that is wrong, by its place.
/// </summary>
internal static class CreateHall
{
    /// <summary>Enough for a hall of the largest size in rows of a dozen seats.</summary>
    private const int MaximumBodyBytes = 1024 * 1024;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/admin/halls", HandleAsync)
            .WithName("CreateHall").WithTags("Admin").WithSummary("Add a hall")
            .WithDescription(
                "The sections, their rows, and the labels and grades of the seats. Seat numbers run on from 1 through all rows as "
                + "they stand in the body. A hall never changes; a schedule in it needs a price for each grade. `layout` is for the "
                + "page that draws the hall, and is given back as it came.")
            .WithRequestExample(static () => new CreateHallRequest("Harbour Hall", [
                new("Floor", "R", [new("1", 20, Skip: [13]), new("2", 20)], new(-5, 4, 0, 0.15m)), new("Rear", "S", [new("1", 30)])]))
            .WithExample(static () => new CreateHallResponse(1, 69), StatusCodes.Status201Created)
            .WithAdmin()
            .WithMetadata(new BodyLimit(MaximumBodyBytes))
            .Produces<CreateHallResponse>(StatusCodes.Status201Created)
            .WithBodyProblems();

    private static async Task<IResult> HandleAsync(CreateHallRequest request, MySqlDatabase database)
    {
        if (HallDesign.Read(request.Name, request.Sections, out var problem) is not { } hall)
        {
            return problem!;
        }

        var hallId = await database.RunOnceAsync(
            (connection, _) => Halls.AddAsync(connection, hall), CancellationToken.None, MySqlLimits.Bulk);
        return TypedResults.Created((string?)null, new CreateHallResponse(hallId, hall.SeatCount));
    }
}

[JsonSerializable(typeof(CreateHallRequest))]
[JsonSerializable(typeof(CreateHallResponse))]
internal sealed partial class CreateHallJson : JsonSerializerContext;
