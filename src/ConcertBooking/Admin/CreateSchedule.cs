using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;

namespace ConcertBooking.Admin;

/// <param name="StartsAt">A time without a zone is UTC, here and below.</param>
/// <param name="Price">Whole points a seat.</param>
/// <param name="SalesOpenAt">Before it nobody can hold a seat; null: at once.</param>
/// <param name="SalesCloseAt">From then on nobody can; null: when the concert starts.</param>
/// <param name="MaxPerUser">Seats that one user may hold and have paid; 0: no limit; null: Purchases__MaxPerUser.</param>
public sealed record CreateScheduleRequest(
    DateTimeOffset StartsAt,
    [property: Range(1, Catalogue.MaximumSeats)] int SeatCount,
    [property: Range(0L, CreateSchedule.MaximumPrice)] long Price,
    DateTimeOffset? SalesOpenAt = null,
    DateTimeOffset? SalesCloseAt = null,
    [property: Range(0, Catalogue.MaximumSeats)] int? MaxPerUser = null);

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
        if (!AdminProblems.TryUtc("startsAt", request.StartsAt, out var startsAt, out var problem)
            || !AdminProblems.TryUtc("salesOpenAt", request.SalesOpenAt, out var salesOpenAt, out problem)
            || !AdminProblems.TryUtc("salesCloseAt", request.SalesCloseAt, out var salesCloseAt, out problem))
        {
            return problem;
        }

        if (salesCloseAt <= salesOpenAt)
        {
            return AdminProblems.SalesCloseAt;
        }

        var schedule = new NewSchedule(
            startsAt!.Value, request.Price, request.SeatCount, salesOpenAt, salesCloseAt, request.MaxPerUser);
        var scheduleId = await database.RunOnceAsync(
            (connection, _) => Catalogue.AddScheduleAsync(connection, concertId, schedule), CancellationToken.None, MySqlLimits.Bulk);
        return scheduleId is { } id
            ? TypedResults.Created(
                $"/v1/schedules/{id}/seats",
                new ScheduleItem(id, schedule.StartsAt, request.Price, request.SeatCount, request.SeatCount))
            : Problems.ConcertNotFound;
    }
}

[JsonSerializable(typeof(CreateScheduleRequest))]
[JsonSerializable(typeof(ScheduleItem))]
internal sealed partial class CreateScheduleJson : JsonSerializerContext;
