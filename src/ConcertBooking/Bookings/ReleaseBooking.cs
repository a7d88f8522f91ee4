namespace ConcertBooking.Bookings;

/// <summary>Releases all held seats of a booking.</summary>
internal static class ReleaseBooking
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapDelete("/v1/bookings/{bookingId}", HandleAsync)
            .WithHighPriority()
            .WithName("ReleaseBooking").WithTags("Bookings").WithSummary("Release a held booking")
            .WithDescription("All its held seats are free at once.")
            .WithParameter("bookingId", "A booking of the caller.", BookingResponse.ExampleId)
            .WithAccessToken()
            .LimitedPerUser()
            .Produces(StatusCodes.Status204NoContent)
            .WithProblems(Problems.BookingNotFound, Problems.AlreadyPaid, Problems.HoldExpired, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(string bookingId, HttpContext context, SeatRelease release) =>
        Guid.TryParseExact(bookingId, "D", out var id)
            ? await release.ReleaseAsync(context.UserId(), id, null) ?? Problems.BookingNotFound
            : Problems.BookingNotFound;
}
