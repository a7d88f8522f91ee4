using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json.Serialization;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using ConcertBooking.Reservations;

namespace ConcertBooking.Bookings;

/// <param name="SeatNos">The seats, each once, in any order.</param>
public sealed record HoldBookingRequest(
    [property: Range(1L, long.MaxValue)] long ScheduleId,
    [property: Required] IReadOnlyList<int> SeatNos);

/// <summary>Holds several seats of a schedule as one booking, all of them or none (<see cref="SeatHolds"/>).</summary>
internal static class HoldBooking
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/bookings", HandleAsync)
            .WithHighPriority()
            .WithName("HoldBooking").WithTags("Bookings").WithSummary("Hold several seats, all or none")
            .WithQueueToken()
            .LimitedPerUser()
            .CountedAs(static metrics => metrics.Holds, success: "held")
            .Produces<BookingResponse>(StatusCodes.Status201Created)
            .Produces<BookingResponse>()
            .WithHeader("Location", "The booking.", status: 201)
            .WithBodyProblems()
            .WithProblems(
                Problems.QueueTokenNotActive, Problems.ScheduleNotFound, Problems.SeatNotFound, Problems.SeatTaken,
                Problems.ScheduleClosed, Problems.SalesNotOpen, Problems.SalesClosed, Problems.HoldLimitReached,
                Problems.PurchaseLimitReached, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        HoldBookingRequest request, HttpContext context, WaitingRoom room, SeatHolds holds, AdmissionController admission,
        Settings settings)
    {
        var seatNos = request.SeatNos.Distinct().Order().ToList();
        if (seatNos.Count != request.SeatNos.Count || seatNos.Count == 0 || seatNos.Count > settings.BookingSeats || seatNos[0] < 1)
        {
            return Problem.Invalid("seatNos", $"Must be 1 to {settings.BookingSeats} different seat numbers, each at least 1.");
        }

        var started = Stopwatch.GetTimestamp();
        var token = context.QueueToken();
        switch (await room.CheckAsync(token))
        {
            case PassStatus.Gone:
                return Problems.QueueTokenExpired;
            case PassStatus.NotActive:
                return Problems.QueueTokenNotActive;
        }

        try
        {
            var held = await holds.HoldAsync(token, request.ScheduleId, seatNos);
            return held.Refusal ?? Answer(request, held, settings.HoldExtensions);
        }
        finally
        {
            admission.Held(Stopwatch.GetElapsedTime(started));
        }
    }

    private static IResult Answer(HoldBookingRequest request, SeatHolds.Outcome held, int extensionsLeft)
    {
        var first = held.Seats[0].Reservation!;
        var seats = held.Seats.Select(static seat => BookingSeat.Of(
            seat.Reservation!.Id, seat.SeatNo, seat.Place, seat.Reservation.Price, seat.Reservation.Status)).ToList();
        var response = new BookingResponse(
            first.BookingId.ToString(), request.ScheduleId, first.Status, seats.Sum(static seat => seat.Price), first.HeldUntil,
            extensionsLeft, seats);
        return held.IsNew ? TypedResults.Created($"/v1/bookings/{first.BookingId}", response) : TypedResults.Ok(response);
    }
}

[JsonSerializable(typeof(HoldBookingRequest))]
internal sealed partial class HoldBookingJson : JsonSerializerContext;
