using ConcertBooking.Bookings;

namespace ConcertBooking.Reservations;

/// <summary>Releases a held seat; of a booking of several seats, the others stay held.</summary>
internal static class ReleaseSeat
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapDelete("/v1/reservations/{reservationId}", HandleAsync)
            .WithHighPriority()
            .WithName("ReleaseSeat").WithTags("Reservations").WithSummary("Release a held seat")
            .WithDescription("The seat is free at once. The other seats of the same booking stay held.")
            .WithParameter("reservationId", "A reservation of the caller.", ReservationResponse.ExampleId)
            .WithAccessToken()
            .LimitedPerUser()
            .Produces(StatusCodes.Status204NoContent)
            .WithProblems(
                Problems.ReservationNotFound, Problems.AlreadyPaid, Problems.HoldExpired, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(string reservationId, HttpContext context, SeatRelease release) =>
        Guid.TryParseExact(reservationId, "D", out var id)
            ? await release.ReleaseAsync(context.UserId(), null, id) ?? Problems.ReservationNotFound
            : Problems.ReservationNotFound;
}
