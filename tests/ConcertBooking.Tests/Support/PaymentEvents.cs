using System.Globalization;

namespace ConcertBooking.Tests.Support;

/// <summary>Events of payments that no service made.</summary>
internal static class PaymentEvents
{
    /// <summary>Of <c>payment.completed.v2</c>: seats at 1 point each.</summary>
    public static string Payload(long concertId, long scheduleId, params IReadOnlyList<int> seatNos) =>
        $$"""
        {"paymentId":"{{Guid.NewGuid()}}","bookingId":"{{Guid.NewGuid()}}","userId":1,"concertId":{{concertId}},
        "scheduleId":{{scheduleId}},"seats":[{{string.Join(',', seatNos.Select(Seat))}}],"amount":{{seatNos.Count}},"paidAt":"{{Now()}}"}
        """.ReplaceLineEndings("");

    /// <summary>Of <c>payment.completed.v1</c>, as the builds before bookings sent it: one seat at 1 point.</summary>
    public static string PayloadV1(long concertId, long scheduleId, int seatNo) =>
        $$"""
        {"paymentId":"{{Guid.NewGuid()}}","reservationId":"{{Guid.NewGuid()}}","userId":1,"concertId":{{concertId}},
        "scheduleId":{{scheduleId}},"seatNo":{{seatNo}},"amount":1,"paidAt":"{{Now()}}"}
        """.ReplaceLineEndings("");

    private static string Seat(int seatNo) => $$"""{"reservationId":"{{Guid.NewGuid()}}","seatNo":{{seatNo}},"price":1}""";

    private static string Now() => DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
}
