using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;

namespace ConcertBooking.Admin;

/// <param name="StartsAt">A time without a zone is UTC, here and below.</param>
/// <param name="SeatCount">Seats without labels at one price, with <paramref name="Price"/>; or else a hall.</param>
/// <param name="Price">Whole points a seat.</param>
/// <param name="HallId">A hall, with <paramref name="Prices"/>.</param>
/// <param name="Prices">Whole points a seat, by grade: one for each grade of the hall.</param>
/// <param name="SalesOpenAt">Before it nobody can hold a seat; null: at once.</param>
/// <param name="SalesCloseAt">From then on nobody can; null: when the concert starts.</param>
/// <param name="MaxPerUser">Seats that one user may hold and have paid; 0: no limit; null: Purchases__MaxPerUser.</param>
public sealed record CreateScheduleRequest(
    DateTimeOffset StartsAt,
    [property: Range(1, Catalogue.MaximumSeats)] int? SeatCount = null,
    [property: Range(0L, SchedulePrices.Maximum)] long? Price = null,
    long? HallId = null,
    IReadOnlyDictionary<string, long>? Prices = null,
    DateTimeOffset? SalesOpenAt = null,
    DateTimeOffset? SalesCloseAt = null,
    [property: Range(0, Catalogue.MaximumSeats)] int? MaxPerUser = null);

/// <summary>Adds a schedule to a concert, with its seats numbered from 1.</summary>
internal static class CreateSchedule
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/admin/concerts/{concertId:long}/schedules", HandleAsync)
            .WithName("CreateSchedule").WithTags("Admin").WithSummary("Add a schedule")
            .WithDescription(
                "Either `seatCount` seats at one `price`, or the seats of a hall (`hallId`) with a price for each of its grades "
                + "(`prices`). `salesOpenAt`, `salesCloseAt` and `maxPerUser` are optional.")
            .WithParameter("concertId", "A concert of `GET /v1/concerts`.", 1)
            .WithRequestExample(static () => new CreateScheduleRequest(ExampleStart, SeatCount: 50, Price: 50_000), "seats")
            .WithRequestExample(static () => new CreateScheduleRequest(
                ExampleStart, HallId: 1, Prices: new Dictionary<string, long> { ["R"] = 165_000, ["S"] = 143_000 },
                SalesOpenAt: new(2026, 12, 1, 10, 0, 0, TimeSpan.Zero), MaxPerUser: 4), "hall")
            .WithExample(static () => ScheduleItem.Example with { AvailableSeats = 50 }, StatusCodes.Status201Created)
            .WithAdmin()
            .Produces<ScheduleItem>(StatusCodes.Status201Created)
            .WithBodyProblems()
            .WithProblems(Problems.ConcertNotFound, Problems.HallNotFound);

    private static DateTimeOffset ExampleStart => new(2026, 12, 24, 19, 0, 0, TimeSpan.Zero);

    private static async Task<IResult> HandleAsync(long concertId, CreateScheduleRequest request, MySqlDatabase database)
    {
        if (!AdminProblems.TryUtc(request.StartsAt, request.SalesOpenAt, request.SalesCloseAt, out var times, out var problem))
        {
            return problem;
        }

        if (times.SalesCloseAt <= times.SalesOpenAt)
        {
            return AdminProblems.SalesCloseAt;
        }

        var schedule = new NewSchedule(
            times.StartsAt!.Value, request.Price ?? 0, request.SeatCount ?? 0, times.SalesOpenAt, times.SalesCloseAt, request.MaxPerUser);
        if (Fault(request) is { } fault)
        {
            return fault;
        }

        if (request is { HallId: { } hallId, Prices: { } prices })
        {
            var hall = await database.ReadAsync((connection, _) => Halls.FindAsync(connection, hallId), CancellationToken.None);
            if (hall is not { } found)
            {
                return Problems.HallNotFound;
            }

            if (SchedulePrices.Fault(prices, found.Grades, needsAll: true) is { } wrongPrice)
            {
                return wrongPrice;
            }

            schedule = schedule with { SeatCount = found.SeatCount, Price = prices.Values.Min(), HallId = hallId, Prices = prices };
        }

        var scheduleId = await database.RunOnceAsync(
            (connection, _) => Catalogue.AddScheduleAsync(connection, concertId, schedule), CancellationToken.None, MySqlLimits.Bulk);
        return scheduleId is { } id
            ? TypedResults.Created(
                $"/v1/schedules/{id}/seats",
                new ScheduleItem(id, schedule.StartsAt, schedule.Price, schedule.SeatCount, schedule.SeatCount))
            : Problems.ConcertNotFound;
    }

    /// <summary>Either a number of seats at one price, or a hall with a price for each grade.</summary>
    private static Problem? Fault(CreateScheduleRequest request) => request switch
    {
        { HallId: null, SeatCount: null } => Problem.Invalid("seatCount", "The value is missing, or else hallId and prices."),
        { HallId: null, Price: null } => Problem.Invalid("price", "The value is missing."),
        { HallId: null, Prices: not null } => Problem.Invalid("prices", "Only a schedule in a hall has them."),
        { HallId: null } => null,
        { SeatCount: not null } => Problem.Invalid("seatCount", "A schedule in a hall has the seats of the hall."),
        { Price: not null } => Problem.Invalid("price", "A schedule in a hall has prices instead."),
        { Prices: null } => Problem.Invalid("prices", "The value is missing: a price for each grade of the hall."),
        _ => null,
    };
}

[JsonSerializable(typeof(CreateScheduleRequest))]
[JsonSerializable(typeof(ScheduleItem))]
internal sealed partial class CreateScheduleJson : JsonSerializerContext;
