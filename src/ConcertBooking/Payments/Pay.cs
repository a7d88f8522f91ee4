using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Bookings;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using ConcertBooking.Reservations;

namespace ConcertBooking.Payments;

/// <param name="BookingId">What is paid; or <paramref name="ReservationId"/>, which names the booking that it is in.</param>
public sealed record PayRequest(
    [property: StringLength(64)] string? BookingId = null, [property: StringLength(64)] string? ReservationId = null);

/// <summary>
/// Pays a held booking, once: the hold, the balance, the payment, the ledger row, the event and the remembered answer
/// change in one transaction, decided by one conditional UPDATE, or not at all (<see cref="BookingPayments"/>).
/// </summary>
internal static class Pay
{
    private const string Call = "pay";

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/payments", HandleAsync)
            .WithHighPriority()
            .WithName("Pay").WithTags("Payments").WithSummary("Pay a held booking")
            .WithDescription(
                "Pays all seats of a held booking with the caller's points, once. Name the booking, or one of its reservations. A "
                + "successful payment uses the queue token up, unless the caller still holds other unpaid seats.")
            .WithRequestExample(static () => new PayRequest(BookingId: BookingResponse.ExampleId), "booking")
            .WithRequestExample(static () => new PayRequest(ReservationId: ReservationResponse.ExampleId), "reservation")
            .WithExample(static () => PaymentResponse.Example, StatusCodes.Status201Created)
            .WithQueueToken()
            .LimitedPerUser()
            .CountedAs(static metrics => metrics.Payments, success: "paid")
            .WithIdempotencyKey()
            .Produces<PaymentResponse>(StatusCodes.Status201Created)
            .WithBodyProblems()
            .WithProblems(
                Problems.IdempotencyKeyMissing, Problems.InsufficientPoints, Problems.QueueTokenNotActive, Problems.ReservationNotFound,
                Problems.BookingNotFound,
                Problems.AlreadyPaid, Problems.IdempotencyKeyInUse, Problems.HoldExpired, Problems.IdempotencyKeyReused,
                Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        PayRequest request, HttpContext context, WaitingRoom room, BookingPayments payments, IdempotentAnswers answers,
        UnpaidHolds unpaidHolds, SingleFlight inFlight, OutboxSignal outbox)
    {
        if (string.IsNullOrWhiteSpace(request.BookingId) == string.IsNullOrWhiteSpace(request.ReservationId))
        {
            return Problem.Invalid("bookingId", "Either bookingId or reservationId must be given.");
        }

        var token = context.QueueToken();
        var namesBooking = !string.IsNullOrWhiteSpace(request.BookingId);
        var named = namesBooking ? request.BookingId! : request.ReservationId!;
        var isId = Guid.TryParseExact(named, "D", out var id);
        (Guid? bookingId, Guid? reservationId) = namesBooking ? ((Guid?)id, (Guid?)null) : (null, id);
        var body = (namesBooking ? "booking " : "") + (isId ? id.ToString() : named);
        if (!IdempotentCall.TryRead(context, token.UserId, Call, body, out var call, out var keyProblem))
        {
            return keyProblem;
        }

        var notFound = namesBooking ? Problems.BookingNotFound : Problems.ReservationNotFound;
        return await inFlight.RunAsync(call, async () =>
        {
            var pass = await room.CheckAsync(token);
            if (pass is not PassStatus.Active && !(isId && await unpaidHolds.ContainsAsync(id, token.UserId)))
            {
                // The first payment used the token up; its repeat must still get the first answer.
                return await answers.FindAsync(call)
                    ?? (pass is PassStatus.Gone ? Problems.QueueTokenExpired : Problems.QueueTokenNotActive);
            }

            if (!isId)
            {
                return await answers.FindAsync(call) ?? notFound;
            }

            var outcome = await payments.PayAsync(new(token, call, bookingId, reservationId, notFound));
            if (outcome.Result is StoredAnswer { Replayed: false })
            {
                outbox.Set();
            }

            if (outcome.LastHoldPaid)
            {
                await GiveUpPlaceAsync(room, token);
            }

            return outcome.Result;
        });
    }

    /// <summary>The seat is paid whether Redis can be reached or not.</summary>
    private static async Task GiveUpPlaceAsync(WaitingRoom room, QueueToken token)
    {
        try
        {
            await room.LeaveAsync(token);
        }
        catch (Exception exception) when (exception is RedisUnavailableException or BatchTimeoutException)
        {
            // The place ends with its admission.
        }
    }
}

[JsonSerializable(typeof(PayRequest))]
[JsonSerializable(typeof(PaymentResponse))]
internal sealed partial class PayJson : JsonSerializerContext;
