using System.Text.Json.Serialization;
using MySqlConnector;

namespace ConcertBooking.Bookings;

public sealed record BookingList(IReadOnlyList<BookingResponse> Items, string? NextCursor);

/// <summary>Lists the caller's bookings, newest first.</summary>
internal static class ListBookings
{
    private const char List = 'b';

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/bookings", HandleAsync)
            .WithName("ListBookings").WithTags("Bookings").WithSummary("List one's bookings")
            .WithDescription("The caller's bookings in any status, newest first, with their seats.")
            .WithExample(static () => new BookingList([BookingResponse.Example], null))
            .WithPaging()
            .WithAccessToken()
            .Produces<BookingList>()
            .WithProblems(Problems.DatabaseUnavailable);

    private static async Task<IResult> HandleAsync(
        HttpContext context, MySqlDatabase database, Settings settings, int? limit, string? cursor, CancellationToken cancellationToken)
    {
        if (!Paging.TryRead(limit, cursor, List, start: default, out var size, out var key, out var problem))
        {
            return problem;
        }

        var userId = context.UserId();
        var bookings = await database.ReadAsync(
            async (connection, token) =>
            {
                await using var command = new MySqlCommand(SelectSql(isFirst: string.IsNullOrEmpty(cursor)), connection);
                command.Parameters.AddWithValue("@user", userId);
                command.Parameters.AddWithValue("@before", key.Id);
                command.Parameters.AddWithValue("@count", size + 1);
                await using var reader = await command.ExecuteReaderAsync(token);
                return await BookingRows.ReadAsync(reader, settings.HoldExtensions, token);
            },
            cancellationToken);
        var items = bookings.Take(size).ToList();
        var next = bookings.Count > size ? Paging.Write(List, 0, Guid.Parse(items[^1].BookingId)) : null;
        return TypedResults.Ok(new BookingList(items, next));
    }

    /// <summary>
    /// Ordered by the database's clock; an id, which carries the clock of the instance that made it, only breaks the tie. A cursor
    /// continues after the booking that it names, if it is the caller's.
    /// </summary>
    private static string SelectSql(bool isFirst) => $"""
        {BookingRows.Sql}
        JOIN (SELECT page.booking_id FROM booking page {(isFirst ? "" : "JOIN booking l ON l.booking_id = @before AND l.user_id = @user")}
              WHERE page.user_id = @user {(isFirst ? "" : """
              AND page.created_at <= l.created_at AND (page.created_at < l.created_at OR page.booking_id < l.booking_id)
              """)}
              ORDER BY page.created_at DESC, page.booking_id DESC LIMIT @count) p ON p.booking_id = b.booking_id
        ORDER BY b.created_at DESC, b.booking_id DESC
        """;
}

[JsonSerializable(typeof(BookingList))]
internal sealed partial class ListBookingsJson : JsonSerializerContext;
