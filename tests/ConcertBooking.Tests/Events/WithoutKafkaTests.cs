using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>Without the setting everything works but telling.</summary>
public sealed class WithoutKafkaTests : SharedRigTests
{
    [Test]
    public async Task Serve_NoKafkaNamed_EventsWaitAndReadyzAndOneLineSaySo()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { [KafkaServers.Setting] = "" });
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        (await visitor.ChargeAsync(show.Price)).Expect(201);
        var reservationId = await visitor.HeldAsync(show);
        (await visitor.PayAsync(reservationId)).Expect(201);

        var ready = (await alone.Api.GetAsync("/readyz")).Expect(200).Json;

        await Assert.That(ready.Value("status")).IsEqualTo("degraded");
        await Assert.That(ready.GetProperty("checks").Value("kafka")).IsEqualTo("down");
        await Assert.That(await alone.Database.EventTypesAsync(reservationId))
            .IsEquivalentTo(["booking.held.v1", "payment.completed.v2"]);
        var lines = alone.Process.Output.Where(line => line.Contains("Kafka", StringComparison.OrdinalIgnoreCase)).ToList();
        await Assert.That(lines.Count).IsEqualTo(1).Because(string.Join('\n', lines));
        await Assert.That(lines[0]).Contains("Kafka is down, events wait in the outbox: ConnectionStrings__Kafka is empty")
            .And.Contains("\"LogLevel\":\"Warning\"");
    }
}
