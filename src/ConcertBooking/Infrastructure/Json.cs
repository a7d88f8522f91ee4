using System.Text.Json.Serialization;
using ConcertBooking.Admin;
using ConcertBooking.Operations;
using ConcertBooking.Payments;
using ConcertBooking.Points;
using ConcertBooking.Queue;
using ConcertBooking.Reservations;

namespace ConcertBooking.Infrastructure;

/// <summary>Every slice's JSON context in one chain; a type in none of them fails natively, and in the tests.</summary>
internal static class Json
{
    public static IServiceCollection AddJson(this IServiceCollection services) => services.ConfigureHttpJsonOptions(static options =>
    {
        var json = options.SerializerOptions;
        json.NumberHandling = JsonNumberHandling.Strict;
        json.RespectNullableAnnotations = true;
        json.RespectRequiredConstructorParameters = true;
        JsonSerializerContext[] contexts =
        [
            IssueTokenJson.Default, PlaceJson.Default,
            Concerts.ListConcertsJson.Default, Concerts.ListSchedulesJson.Default, Concerts.ListSeatsJson.Default,
            Rankings.ListTopConcertsJson.Default, Rankings.ListSoldOutJson.Default, GetEventsJson.Default, ReplayEventsJson.Default,
            HoldSeatJson.Default, ReservationJson.Default, ListReservationsJson.Default,
            PayJson.Default,
            ChargePointsJson.Default, GetPointsJson.Default, ListTransactionsJson.Default,
            CreateConcertJson.Default, UpdateConcertJson.Default, CreateScheduleJson.Default, UpdateScheduleJson.Default, PutQueueJson.Default,
            HealthJson.Default, SignInJson.Default,
        ];
        foreach (var context in contexts)
        {
            json.TypeInfoResolverChain.Add(context);
        }
    });
}
