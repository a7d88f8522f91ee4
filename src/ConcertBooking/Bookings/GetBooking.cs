using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>Reads one booking of the caller; another user's is not found.</summary>
internal static class GetBooking
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/bookings/{bookingId}", HandleAsync)
            .WithName("GetBooking").WithTags("Bookings").WithSummary("Read a booking")
            .WithDescription("One of the caller's bookings. A booking of another user is 404, as one that does not exist.")
            .WithParameter("bookingId", "A booking of the caller.", BookingResponse.ExampleId)
            .WithExample(static () => BookingResponse.Example)
            .WithAccessToken()
            .Produces<BookingResponse>()
            .WithProblems(Problems.BookingNotFound, Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        string bookingId, HttpContext context, MySqlDatabase database, Settings settings, CancellationToken cancellationToken)
    {
        if (!Guid.TryParseExact(bookingId, "D", out var id))
        {
            return Problems.BookingNotFound;
        }

        var userId = context.UserId();
        var bookings = await database.ReadAsync(
            async (connection, token) =>
            {
                await using var command = new MySqlCommand(SelectSql, connection);
                command.Parameters.AddWithValue("@booking", id);
                command.Parameters.AddWithValue("@user", userId);
                await using var reader = await command.ExecuteReaderAsync(token);
                return await BookingRows.ReadAsync(reader, settings.HoldExtensions, token);
            },
            cancellationToken);
        return bookings is [var booking] ? TypedResults.Ok(booking) : Problems.BookingNotFound;
    }

    private const string SelectSql = BookingRows.Sql + "WHERE b.booking_id = @booking AND b.user_id = @user";
}
