using System.Text.Json.Serialization;
using ConcertBooking.Admin;
using ConcertBooking.Bookings;
using ConcertBooking.Concerts;
using ConcertBooking.Payments;
using ConcertBooking.Points;
using ConcertBooking.Queue;
using ConcertBooking.Rankings;
using ConcertBooking.Reservations;

namespace ConcertBooking.Hosting;

/// <summary>
/// The list of slices: the routes, JSON context and stored procedures of each. A new slice is its file and a line here.
/// </summary>
internal static class Slices
{
    private sealed record Slice(
        Action<IEndpointRouteBuilder> Map, JsonSerializerContext? Json = null, params IReadOnlyList<StoredProcedure> Procedures);

    /// <summary>The framework validates their bodies by the attributes of the request.</summary>
    private static readonly Slice[] Validated =
    [
        new(HoldSeat.Map, HoldSeatJson.Default, SeatHoldSql.Hold, SharedHoldSql.Procedure, HoldExpiry.Procedure),
        new(HoldBooking.Map, HoldBookingJson.Default, SeatHoldSql.HoldOnce),
        new(Pay.Map, PayJson.Default, PaySql.Procedure, SharedPaySql.Procedure),
        new(ChargePoints.Map, ChargePointsJson.Default, ChargePoints.Procedure, SharedChargeSql.Procedure),
        new(CreateConcert.Map, CreateConcertJson.Default),
        new(UpdateConcert.Map, UpdateConcertJson.Default),
        new(CreateSchedule.Map, CreateScheduleJson.Default),
        new(UpdateSchedule.Map, UpdateScheduleJson.Default),
        new(PutQueue.Map, PutQueueJson.Default),
        new(ReplayEvents.Map, ReplayEventsJson.Default),
        new(SignIn.Map, SignInJson.Default),
    ];

    /// <summary>Without a body, or with nothing in it to validate by attributes: the framework's filter would only cost time.</summary>
    private static readonly Slice[] NotValidated =
    [
        new(IssueToken.Map, IssueTokenJson.Default),
        new(GetPlace.Map, PlaceJson.Default),
        new(WatchPlace.Map),
        new(LeaveQueue.Map),
        new(ListConcerts.Map, ListConcertsJson.Default),
        new(ListSchedules.Map, ListSchedulesJson.Default),
        new(ListSeats.Map, ListSeatsJson.Default),
        new(WatchSeats.Map, WatchSeatsJson.Default),
        new(GetPlan.Map, GetPlanJson.Default),
        new(ListTopConcerts.Map, ListTopConcertsJson.Default),
        new(ListSoldOut.Map, ListSoldOutJson.Default),
        new(GetReservation.Map, ReservationJson.Default),
        new(ListReservations.Map, ListReservationsJson.Default),
        new(ReleaseSeat.Map, null, SeatRelease.Procedure, SharedReleaseSql.Procedure),
        new(GetBooking.Map, BookingJson.Default),
        new(ListBookings.Map, ListBookingsJson.Default),
        new(ReleaseBooking.Map),
        new(ExtendBooking.Map, null, ExtendBooking.Procedure),
        new(GetPayment.Map),
        new(GetPoints.Map, GetPointsJson.Default),
        new(ListTransactions.Map, ListTransactionsJson.Default),
        new(CreateHall.Map, CreateHallJson.Default),
        new(ListHalls.Map, ListHallsJson.Default),
        new(GetQueue.Map),
        new(ListQueues.Map, ListQueuesJson.Default),
        new(GetEvents.Map, GetEventsJson.Default),
    ];

    private static readonly Slice[] All = [.. Validated, .. NotValidated];

    public static IReadOnlyList<StoredProcedure> Procedures { get; } = [.. All.SelectMany(static slice => slice.Procedures)];

    public static void Map(IEndpointRouteBuilder routes)
    {
        foreach (var slice in Validated)
        {
            slice.Map(routes);
        }

        var notValidated = routes.MapGroup("").DisableValidation();
        foreach (var slice in NotValidated)
        {
            slice.Map(notValidated);
        }
    }

    /// <summary>Chains the JSON contexts of all slices; a type in none of them fails in the native binary and in the tests.</summary>
    public static void AddJson(this IServiceCollection services) => services.ConfigureHttpJsonOptions(static options =>
    {
        var json = options.SerializerOptions;
        json.NumberHandling = JsonNumberHandling.Strict;
        json.Converters.Add(new UtcTimeConverter());
        json.RespectNullableAnnotations = true;
        json.RespectRequiredConstructorParameters = true;
        foreach (var context in All.Select(static slice => slice.Json).OfType<JsonSerializerContext>().Append(HealthJson.Default))
        {
            json.TypeInfoResolverChain.Add(context);
        }
    });
}
