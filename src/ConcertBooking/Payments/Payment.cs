using ConcertBooking.Reservations;

namespace ConcertBooking.Payments;

/// <param name="ReservationId">Of a booking of one seat; else null.</param>
/// <param name="Amount">Whole points: the prices at the time of the hold.</param>
/// <param name="Balance">What is left.</param>
public sealed record PaymentResponse(
    string PaymentId, string BookingId, string? ReservationId, long Amount, long Balance, DateTime PaidAt)
{
    internal const string ExampleId = "019a3c62-5be8-7f0a-b1d3-84c92e7f6a03";

    internal static PaymentResponse Example => new(
        ExampleId, ReservationResponse.ExampleId, ReservationResponse.ExampleId, 50_000, 50_000,
        new DateTime(2026, 12, 1, 10, 3, 20, DateTimeKind.Utc));
}
