using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using ConcertBooking.Reservations;

namespace ConcertBooking.Bookings;

/// <param name="SeatNos">The seats, each once, in any order; or <paramref name="BestAvailable"/>.</param>
public sealed record HoldBookingRequest(
    [property: Range(1L, long.MaxValue)] long ScheduleId, IReadOnlyList<int>? SeatNos = null, BestAvailableRequest? BestAvailable = null);

/// <summary>
/// The best seats that are free: nearest to the front and the middle, without leaving a single seat where that can be had.
/// </summary>
/// <param name="Count">How many seats.</param>
/// <param name="Grade">Of this grade; null: of any.</param>
/// <param name="Section">In this section; null: in any.</param>
/// <param name="Together">Side by side in one row; false: in several rows where no row has as many, in as few blocks as possible.</param>
public sealed record BestAvailableRequest(int Count, string? Grade = null, string? Section = null, bool Together = true);

/// <summary>
/// Holds several seats of a schedule as one booking, all of them or none: those that the caller names (<see cref="SeatHolds"/>), or the
/// best available (<see cref="BestAvailableHolds"/>).
/// </summary>
internal static class HoldBooking
{
    private const string Call = "hold";

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/bookings", HandleAsync)
            .WithHighPriority()
            .WithName("HoldBooking").WithTags("Bookings").WithSummary("Hold several seats, all or none")
            .WithDescription(
                "Holds either the seats in `seatNos` or the best that are available: nearest to the front and the middle, side by "
                + "side unless `together` is false. A caller who holds exactly these seats in one booking gets it again (200). The "
                + "queue token must be admitted (`ACTIVE`) to the queue of the concert.")
            .WithRequestExample(static () => new HoldBookingRequest(1, [8, 9]), "seats")
            .WithRequestExample(static () => new HoldBookingRequest(1, BestAvailable: new(2)), "best available")
            .WithExample(static () => BookingResponse.Example, StatusCodes.Status201Created, StatusCodes.Status200OK)
            .WithQueueToken()
            .LimitedPerUser()
            .CountedAs(static metrics => metrics.Holds, success: "held")
            .WithHeader(
                IdempotencyHeaders.Key,
                "Required with bestAvailable: a repeat gets the first answer again. Ignored with seatNos, which can be repeated anyway.")
            .WithHeader(IdempotencyHeaders.Replayed, "true when this is the first answer again.", status: 201)
            .Produces<BookingResponse>(StatusCodes.Status201Created)
            .Produces<BookingResponse>()
            .WithHeader("Location", "The booking.", status: 201)
            .WithBodyProblems()
            .WithProblems(
                Problems.IdempotencyKeyMissing, Problems.QueueTokenNotActive, Problems.ScheduleNotFound, Problems.SeatNotFound,
                Problems.SeatTaken with { SeatNos = [8] }, Problems.NoSeatsTogether, Problems.SoldOut, Problems.ScheduleClosed,
                Problems.SalesNotOpen, Problems.SalesClosed, Problems.HoldLimitReached, Problems.PurchaseLimitReached,
                Problems.IdempotencyKeyInUse, Problems.IdempotencyKeyReused, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        HoldBookingRequest request, HttpContext context, WaitingRoom room, SeatHolds holds, BestAvailableHolds bestAvailable,
        IdempotentAnswers answers, SingleFlight inFlight, AdmissionController admission, Settings settings)
    {
        if (request is { BestAvailable: { } wanted, SeatNos: null })
        {
            return await HoldBestAsync(request.ScheduleId, wanted, context, room, bestAvailable, answers, inFlight, admission, settings);
        }

        var seatNos = request.SeatNos?.Distinct().Order().ToList() ?? [];
        if (request.BestAvailable is not null || seatNos.Count != request.SeatNos?.Count || seatNos.Count == 0
            || seatNos.Count > settings.BookingSeats || seatNos[0] < 1)
        {
            return Problem.Invalid(
                "seatNos", $"Must be 1 to {settings.BookingSeats} different seat numbers, each at least 1; or bestAvailable is given.");
        }

        var started = Stopwatch.GetTimestamp();
        var token = context.QueueToken();
        if (Refuse(await room.CheckAsync(token)) is { } refusal)
        {
            return refusal;
        }

        try
        {
            var held = await holds.HoldAsync(new(token, request.ScheduleId, seatNos, Call: null));
            return held.Refusal ?? Decide(request, held, settings.HoldExtensions);
        }
        finally
        {
            admission.Held(Stopwatch.GetElapsedTime(started));
        }
    }

    private static async Task<IResult> HoldBestAsync(
        long scheduleId, BestAvailableRequest wanted, HttpContext context, WaitingRoom room, BestAvailableHolds bestAvailable,
        IdempotentAnswers answers, SingleFlight inFlight, AdmissionController admission, Settings settings)
    {
        if (wanted.Count < 1 || wanted.Count > settings.BookingSeats)
        {
            return Problem.Invalid("bestAvailable.count", $"Must be 1 to {settings.BookingSeats}.");
        }

        var wish = new SeatWish(wanted.Count, wanted.Together, wanted.Section, wanted.Grade);
        var token = context.QueueToken();
        if (!IdempotentCall.TryRead(context, token.UserId, Call, $"{scheduleId} {wish.Text}", out var call, out var keyProblem))
        {
            return keyProblem;
        }

        var answer = await inFlight.RunAsync(call, async () =>
        {
            var started = Stopwatch.GetTimestamp();
            if (Refuse(await room.CheckAsync(token)) is { } refusal)
            {
                return await answers.FindAsync(call) ?? refusal; // a payment may have used the token up since the first request
            }

            try
            {
                return await bestAvailable.HoldAsync(token, scheduleId, wish, call);
            }
            finally
            {
                admission.Held(Stopwatch.GetElapsedTime(started));
            }
        });
        return answer is StoredAnswer stored ? stored with { Location = LocationOf(stored) } : answer;
    }

    private static Problem? Refuse(PassStatus pass) => pass switch
    {
        PassStatus.Gone => Problems.QueueTokenExpired,
        PassStatus.NotActive => Problems.QueueTokenNotActive,
        _ => null,
    };

    private static string LocationOf(StoredAnswer stored) =>
        $"/v1/bookings/{JsonElement.Parse(stored.Json).GetProperty("bookingId").GetString()}";

    private static IResult Decide(HoldBookingRequest request, SeatHolds.Outcome held, int maximumExtensions)
    {
        var first = held.Seats[0].Reservation!;
        if (first.SeatsHeld != held.Seats.Count)
        {
            return SeatHolds.Taken(held.Seats); // one of several that the caller holds together
        }

        var seats = held.Seats.Select(static seat => BookingSeat.Of(
            seat.Reservation!.Id, seat.SeatNo, seat.Place, seat.Reservation.Price, seat.Reservation.Status)).ToList();
        var response = new BookingResponse(
            first.BookingId.ToString(), request.ScheduleId, first.Status, seats.Sum(static seat => seat.Price), first.HeldUntil,
            Math.Max(0, maximumExtensions - first.Extensions), seats);
        return held.IsNew ? TypedResults.Created($"/v1/bookings/{first.BookingId}", response) : TypedResults.Ok(response);
    }
}

[JsonSerializable(typeof(HoldBookingRequest))]
internal sealed partial class HoldBookingJson : JsonSerializerContext;
