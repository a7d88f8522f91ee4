using System.Text.Json.Serialization;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>The statuses of a booking, as the table and the API spell them.</summary>
internal static class BookingStatus
{
    public const string Held = "HELD";
    public const string Confirmed = "CONFIRMED";
    public const string Expired = "EXPIRED";
    public const string Released = "RELEASED";
}

/// <param name="Section">Empty where the schedule has no hall, as row and grade are.</param>
/// <param name="Label">What is written on the seat; the seat's number where the schedule has no hall.</param>
/// <param name="Price">Whole points, as it was when the seat was held.</param>
/// <param name="Status">As of a reservation.</param>
public sealed record BookingSeat(
    string ReservationId, int SeatNo, string Section, string Row, string Label, string Grade, long Price, string Status)
{
    internal static BookingSeat Of(Guid reservationId, int seatNo, in SeatPlace place, long price, string status) =>
        new(reservationId.ToString(), seatNo, place.Section, place.Row, place.Label, place.Grade, price, status);
}

/// <param name="Status">
/// <c>HELD</c>, <c>CONFIRMED</c>, <c>EXPIRED</c> or <c>RELEASED</c>; a booking whose hold has ended reads EXPIRED at once.
/// </param>
/// <param name="Total">Whole points: the prices of the seats that are still in it.</param>
/// <param name="ExtensionsLeft">How often its hold can still be prolonged.</param>
public sealed record BookingResponse(
    string BookingId, long ScheduleId, string Status, long Total, DateTime HeldUntil, int ExtensionsLeft, IReadOnlyList<BookingSeat> Seats)
{
    internal const string ExampleId = "019a3c60-11a4-7b53-8a9c-2f60d1e47b02";

    internal static BookingResponse Example => new(
        ExampleId, 1, BookingStatus.Held, 330_000, new DateTime(2026, 12, 1, 10, 5, 0, DateTimeKind.Utc), 1,
        [
            new("019a3c60-11a4-7e02-b5c1-90d7f3a86c11", 8, "Left", "1", "8", "R", 165_000, ReservationStatus.Held),
            new("019a3c60-11a4-7f6d-8d20-47be9150ac12", 9, "Left", "1", "9", "R", 165_000, ReservationStatus.Held),
        ]);
}

/// <summary>A booking with its seats, read from the rows of <see cref="Sql"/>: one a seat.</summary>
internal static class BookingRows
{
    /// <summary>
    /// The columns of every answer that contains a booking. Reservations are the record: their statuses may have been changed
    /// by hand. The database's clock decides what is overdue.
    /// </summary>
    public const string Sql = $"""
        SELECT b.booking_id, b.schedule_id, b.held_expires_at, b.extensions, r.reservation_id, r.seat_no, r.price,
               CASE WHEN r.status = 'HELD' AND r.held_expires_at <= NOW(3) THEN 'EXPIRED' ELSE r.status END AS seat_status,
               {SeatPlace.ColumnsSql}
        FROM booking b JOIN reservation r FORCE INDEX (reservation_booking) ON r.booking_id = b.booking_id
        JOIN concert_schedule s ON s.schedule_id = b.schedule_id
        LEFT JOIN hall_seat h ON h.hall_id = s.hall_id AND h.seat_no = r.seat_no

        """;

    /// <summary>Reads all bookings of the result, in its order; the rows of a booking must follow each other.</summary>
    public static async Task<List<BookingResponse>> ReadAsync(
        MySqlDataReader reader, int maximumExtensions, CancellationToken cancellationToken)
    {
        var bookings = new List<BookingResponse>();
        var seats = new List<BookingSeat>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var bookingId = reader.GetGuid(0).ToString();
            if (bookings.Count == 0 || bookings[^1].BookingId != bookingId)
            {
                bookings.Add(new BookingResponse(
                    bookingId, reader.GetInt64(1), "", 0, reader.GetDateTime(2),
                    Math.Max(0, maximumExtensions - reader.GetInt32(3)), seats = []));
            }

            var seatNo = reader.GetInt32(5);
            seats.Add(BookingSeat.Of(
                reader.GetGuid(4), seatNo, SeatPlace.Read(reader, 8, seatNo), reader.GetInt64(6), reader.GetString(7)));
        }

        return bookings.ConvertAll(static booking => Complete(booking));
    }

    /// <summary>
    /// Status and total follow from the seats. A seat that was taken out of a booking does not count while others are in it.
    /// </summary>
    private static BookingResponse Complete(BookingResponse booking)
    {
        var status = Array.Find(
            [BookingStatus.Confirmed, BookingStatus.Held, BookingStatus.Expired],
            status => booking.Seats.Any(seat => seat.Status == status)) ?? BookingStatus.Released;
        var seats = booking.Seats.Where(seat => status == BookingStatus.Released || seat.Status != ReservationStatus.Released)
            .OrderBy(static seat => seat.SeatNo).ToList();
        return booking with
        {
            Status = status,
            Seats = seats,
            Total = seats.Sum(static seat => seat.Price),
            ExtensionsLeft = status == BookingStatus.Held ? booking.ExtensionsLeft : 0,
        };
    }
}

[JsonSerializable(typeof(BookingResponse))]
internal sealed partial class BookingJson : JsonSerializerContext;
