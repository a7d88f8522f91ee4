using System.Text.Json;

namespace ConcertBooking.Tests.Support;

/// <summary>Several seats in one line of text, such as <c>7 HELD, 8 HELD</c>, so that one comparison covers them and their order.</summary>
internal static class SeveralSeats
{
    /// <summary>Those of an answer that is a booking.</summary>
    public static string Seats(this Reply booking) => booking.Json.Seats();

    /// <inheritdoc cref="Seats(Reply)"/>
    public static string Seats(this JsonElement booking) => string.Join(
        ", ", booking.GetProperty("seats").EnumerateArray().Select(static seat => $"{seat.Number("seatNo")} {seat.Value("status")}"));

    /// <summary>The reservation of one seat of a booking.</summary>
    public static string ReservationOf(this Reply booking, long seatNo) =>
        booking.Items("seats").Single(seat => seat.Number("seatNo") == seatNo).Value("reservationId");

    /// <summary>Fails unless this is 409 <c>seat_taken</c> and names just these seats, in this order.</summary>
    public static async Task ExpectTakenAsync(this Reply reply, params IReadOnlyList<int> seatNos) =>
        await Assert.That(string.Join(
            ", ", reply.ExpectProblem(409, "seat_taken").Items("seatNos").Select(static seatNo => seatNo.GetInt32())))
            .IsEqualTo(string.Join(", ", seatNos));

    /// <summary>Waits until the public list of seats, which is cached for a moment, shows them so.</summary>
    public static Task ExpectListedAsync(this Visitor visitor, Show show, string seats) => Eventually.GetAsync(
        async () => string.Join(", ", (await visitor.GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200).Items("seats")
            .Select(static seat => $"{seat.Number("seatNo")} {seat.Value("status")}")),
        listed => listed == seats, what: seats);

    /// <summary>Lets the time of a booking's hold be over, as <see cref="Database.LetHoldPassAsync"/> does.</summary>
    public static async Task LetBookingPassAsync(this Database database, string bookingId)
    {
        if (await database.EndHoldsAsync(TimeSpan.FromSeconds(-1), "booking_id = @id", ("@id", Guid.Parse(bookingId))) == 0)
        {
            throw new InvalidOperationException($"{bookingId} is not held.");
        }
    }

    /// <summary>The rows of a booking's seats as operators see them, in the order of the seats.</summary>
    public static async Task<string> SeatRowsAsync(this Database database, string bookingId) => string.Join(
        ", ", await database.ColumnAsync<string>(
            "SELECT CONCAT(seat_no, ' ', status) FROM reservation WHERE booking_id = @id ORDER BY seat_no",
            ("@id", Guid.Parse(bookingId))));

    /// <summary>The status in the booking's own row.</summary>
    public static Task<string?> BookingStatusAsync(this Database database, string bookingId) =>
        database.ScalarAsync<string>("SELECT status FROM booking WHERE booking_id = @id", ("@id", Guid.Parse(bookingId)));

    /// <summary>How many bookings and reservations the user ever made.</summary>
    public static async Task<(long Bookings, long Reservations)> MadeAsync(this Database database, long userId) => (
        await database.ScalarAsync<long>("SELECT COUNT(*) FROM booking WHERE user_id = @user", ("@user", userId)),
        await database.ScalarAsync<long>("SELECT COUNT(*) FROM reservation WHERE user_id = @user", ("@user", userId)));
}
