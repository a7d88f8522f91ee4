using System.Text.Json;

namespace ConcertBooking.Tests.Support;

/// <summary>What the contract says of an event that waits in the outbox.</summary>
internal static class OutboxExpectations
{
    /// <summary>Fails unless exactly one such event tells of the reservation.</summary>
    public static async Task<JsonElement> HasAsync(
        Database database, string reservationId, string type, string topic, Visitor visitor, Show show, long seatNo)
    {
        var payloads = await database.ColumnAsync<string>(
            "SELECT payload FROM outbox WHERE event_key = @id AND event_type = @type AND topic = @topic",
            ("@id", Guid.Parse(reservationId)), ("@type", type), ("@topic", topic));
        await Assert.That(payloads).Count().IsEqualTo(1);
        var payload = JsonElement.Parse(payloads[0]);
        await Assert.That(payload.Value("reservationId")).IsEqualTo(reservationId);
        await Assert.That(payload.Number("userId")).IsEqualTo(visitor.UserId);
        await Assert.That(payload.Number("concertId")).IsEqualTo(show.ConcertId);
        await Assert.That(payload.Number("scheduleId")).IsEqualTo(show.ScheduleId);
        await Assert.That(payload.Number("seatNo")).IsEqualTo(seatNo);
        return payload;
    }
}
