using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json.Serialization;
using ConcertBooking.Bookings;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;

namespace ConcertBooking.Reservations;

public sealed record HoldSeatRequest(
    [property: Range(1L, long.MaxValue)] long ScheduleId,
    [property: Range(1, int.MaxValue)] int SeatNo);

/// <summary>
/// Holds a seat: a booking of one (<see cref="SeatHolds"/>). Redis only keeps requests for a seat that was just taken away from
/// MySQL.
/// </summary>
internal static class HoldSeat
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/reservations", HandleAsync)
            .WithHighPriority()
            .WithName("HoldSeat").WithTags("Reservations").WithSummary("Hold a seat")
            .WithDescription(
                "Holds a seat for the caller, as a booking of one seat, until `heldUntil`. A caller who already holds it gets the "
                + "same reservation again (200). The queue token must be admitted (`ACTIVE`) to the queue of the concert.")
            .WithRequestExample(static () => new HoldSeatRequest(1, 7))
            .WithExample(static () => ReservationResponse.Example, StatusCodes.Status201Created, StatusCodes.Status200OK)
            .WithQueueToken()
            .LimitedPerUser()
            .CountedAs(static metrics => metrics.Holds, success: "held")
            .Produces<ReservationResponse>(StatusCodes.Status201Created)
            .Produces<ReservationResponse>()
            .WithHeader("Location", "The reservation.", status: 201)
            .WithBodyProblems()
            .WithProblems(
                Problems.QueueTokenNotActive, Problems.ScheduleNotFound, Problems.SeatNotFound, Problems.SeatTaken with { SeatNos = [7] },
                Problems.ScheduleClosed, Problems.SalesNotOpen, Problems.SalesClosed, Problems.HoldLimitReached,
                Problems.PurchaseLimitReached, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        HoldSeatRequest request, HttpContext context, WaitingRoom room, SeatHolds holds, HoldLimits limits, AdmissionController admission)
    {
        var started = Stopwatch.GetTimestamp();
        var token = context.QueueToken();
        var locks = !limits.IsReached(token.UserId, request.ScheduleId);
        switch (await (locks ? room.CheckAndLockAsync(token, request.ScheduleId, request.SeatNo) : room.CheckAsync(token)))
        {
            case PassStatus.Gone:
                return Problems.QueueTokenExpired;
            case PassStatus.NotActive:
                return Problems.QueueTokenNotActive;
            case PassStatus.SeatBusy:
                return Problems.SeatTaken with { SeatNos = [request.SeatNo] };
        }

        long? owner = null;
        try
        {
            var held = await holds.HoldAsync(new(token, request.ScheduleId, [request.SeatNo], Call: null));
            owner = held.LastingOwner;
            return held.Refusal ?? Answer(request, held);
        }
        finally
        {
            admission.Held(Stopwatch.GetElapsedTime(started));
            if (locks)
            {
                await room.UnlockAsync(token, request.ScheduleId, request.SeatNo, owner);
            }
        }
    }

    private static IResult Answer(HoldSeatRequest request, SeatHolds.Outcome held)
    {
        var hold = held.Seats[0].Reservation!;
        var response = new ReservationResponse(
            hold.Id.ToString(), hold.BookingId.ToString(), request.ScheduleId, request.SeatNo, hold.Status, hold.Price, hold.HeldUntil);
        return held.IsNew ? TypedResults.Created($"/v1/reservations/{hold.Id}", response) : TypedResults.Ok(response);
    }
}

[JsonSerializable(typeof(HoldSeatRequest))]
internal sealed partial class HoldSeatJson : JsonSerializerContext;
