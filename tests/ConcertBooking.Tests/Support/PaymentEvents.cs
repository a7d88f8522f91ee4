namespace ConcertBooking.Tests.Support;

/// <summary>Events of payments that no service made.</summary>
internal static class PaymentEvents
{
    public static string Payload(long concertId, long scheduleId, int seatNo = 1) =>
        $$"""
        {"paymentId":"{{Guid.NewGuid()}}","reservationId":"{{Guid.NewGuid()}}","userId":1,"concertId":{{concertId}},
        "scheduleId":{{scheduleId}},"seatNo":{{seatNo}},"amount":1,"paidAt":"{{DateTime.UtcNow:yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'}}"}
        """.ReplaceLineEndings("");
}
