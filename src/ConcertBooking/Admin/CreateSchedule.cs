using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;

namespace ConcertBooking.Admin;

/// <param name="Price">Whole points a seat.</param>
public sealed record CreateScheduleRequest(
    DateTimeOffset StartsAt,
    [property: Range(1, Catalogue.MaximumSeats)] int SeatCount,
    [property: Range(0L, CreateSchedule.MaximumPrice)] long Price);

/// <summary>Adds a schedule to a concert, with its seats numbered from 1.</summary>
public static class CreateSchedule
{
    internal const long MaximumPrice = 1_000_000_000;

    internal static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/admin/concerts/{concertId:long}/schedules", HandleAsync)
            .WithName("CreateSchedule").WithTags("Admin").WithSummary("Add a schedule")
            .WithAdmin()
            .Produces<ScheduleItem>(StatusCodes.Status201Created)
            .WithBodyProblems()
            .WithProblems(Problems.ConcertNotFound);

    private static async Task<IResult> HandleAsync(long concertId, CreateScheduleRequest request, MySqlDatabase database)
    {
        if (!AdminProblems.TryUtc(request.StartsAt, out var startsAt))
        {
            return AdminProblems.StartsAt;
        }

        var scheduleId = await database.RunOnceAsync(
            (connection, _) => Catalogue.AddScheduleAsync(connection, concertId, startsAt, request.Price, request.SeatCount),
            CancellationToken.None, MySqlLimits.Bulk);
        return scheduleId is { } id
            ? TypedResults.Created(
                $"/v1/schedules/{id}/seats",
                new ScheduleItem(id, startsAt, request.Price, request.SeatCount, request.SeatCount))
            : Problems.ConcertNotFound;
    }
}

[JsonSerializable(typeof(CreateScheduleRequest))]
[JsonSerializable(typeof(ScheduleItem))]
internal sealed partial class CreateScheduleJson : JsonSerializerContext;
