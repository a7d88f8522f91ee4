using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>With Kafka the events leave the outbox as CloudEvents.</summary>
public sealed class PublishTests : SharedRigTests
{
    [Test]
    public async Task Publish_HeldAndPaid_ArriveAsCloudEvents()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        var paymentId = (await visitor.PayAsync(reservationId)).Expect(201).Value("paymentId");

        await Eventually.TrueAsync(async () => (await Rig.Database.EventTypesAsync(reservationId)).Count == 0);
        var all = await KafkaTopics.ReadAllAsync(
            Rig.Servers.Kafka.ConnectionString, "concert-booking.reservations", "concert-booking.payments");
        var events = all.Where(published => published.Key == reservationId).ToList();

        await Assert.That(events.Count).IsEqualTo(2);
        var held = events.Single(published => published.Type == "booking.held.v1");
        await Assert.That(held.Topic).IsEqualTo("concert-booking.reservations");
        await Assert.That(JsonElement.Parse(held.Value).Value("bookingId")).IsEqualTo(reservationId);
        var paid = events.Single(published => published.Type == "payment.completed.v2");
        await Assert.That(paid.Topic).IsEqualTo("concert-booking.payments");
        await Assert.That(JsonElement.Parse(paid.Value).Value("paymentId")).IsEqualTo(paymentId);
        foreach (var published in events)
        {
            await Assert.That(published.Headers["ce_specversion"]).IsEqualTo("1.0");
            await Assert.That(Guid.TryParse(published.Headers["ce_id"], out _)).IsTrue();
            await Assert.That(published.Headers["ce_source"]).IsNotEmpty();
            await Assert.That(published.Headers["ce_time"]).EndsWith("Z");
            await Assert.That(published.Headers["content-type"]).StartsWith("application/json");
        }
        await Assert.That(held.Headers["ce_id"]).IsNotEqualTo(paid.Headers["ce_id"]);
    }
}
