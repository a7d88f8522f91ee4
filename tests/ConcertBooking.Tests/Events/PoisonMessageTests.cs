using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>Messages that nobody can read, and groups that are behind: seen from outside, and in nobody's way.</summary>
[ParallelLimiter<ThreeAtOnce>]
public sealed class PoisonMessageTests : SharedRigTests
{
    private const string Payments = "concert-booking.payments";
    private const int Garbage = 700;

    [Test]
    public async Task Consume_SevenHundredUnreadableThenSales_DeadLettersAndEveryEffect()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        // As large as Kafka takes it; with the headers of a dead letter it is too large.
        var large = Unreadable(new string('x', 999_750));

        await KafkaTopics.SendAsync(
            rig.Kafka.ConnectionString, [.. Enumerable.Range(0, Garbage).Select(number => Unreadable($"garbage {number}")), large]);
        await rig.SellAsync(show, seats: 2);
        await rig.ExpectEffectsOnceAsync(show, 2);
        await OutageTable.ExpectAsync("Unreadable messages", rig.Fleet.Members[0].Instance);

        await Eventually.GetAsync(
            async () => (await rig.Fleet.Admin.GetAsync("/v1/admin/events")).Expect(200).Json.Number("deadLetters"),
            static dead => dead == 3 * (Garbage + 1));
        await rig.ExpectNoLagAsync();
        var letters = (await rig.PublishedAsync($"{Payments}.dlq")).Where(letter => letter.Id == large.Id).ToList();
        await Assert.That(letters.Select(letter => letter.Headers["x-consumer-group"]).Order())
            .IsEquivalentTo(["concert-booking.notifications", "concert-booking.ranking", "concert-booking.sales"]);
        await Assert.That(letters.All(letter => string.IsNullOrEmpty(letter.Value))).IsTrue();
    }

    [Test]
    public async Task Consume_WebhookDown_GroupBehindIsSeenUntilItHasCaughtUp()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        using var onCall = new OnCall("Consumers behind", rig.Fleet, new Dictionary<string, string?>());
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        await rig.SellAsync(show, seats: 1);
        await rig.ExpectEffectsOnceAsync(show, 1);

        await rig.Webhook.StopAsync();
        await rig.SellAsync(show, seats: 2, from: 2);
        await OutageTable.ExpectAsync("Consumer group behind", rig.Fleet.Members[0].Instance);
        await Assert.That(await onCall.ShellAsync(1))
            .Matches(@"booking_consumer_lag\{\S*group=""concert-booking.notifications""\S* [12]\n");
        rig.Webhook.Start();

        await rig.ExpectEffectsOnceAsync(show, 3);
        await rig.ExpectNoLagAsync();
    }

    /// <summary>A receiver that refuses whatever it is sent holds its group up, but not for ever: what it would take is reached.</summary>
    [Test, Category("Long"), Explicit]
    public async Task Consume_WebhookRefusesAHundred_TheNextIsTakenAtLast()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 100);
        rig.Webhook.Answer = static body => body.Contains("\"userId\":1,", StringComparison.Ordinal) ? 422 : 200;
        await KafkaTopics.SendAsync(rig.Kafka.ConnectionString, [.. Enumerable.Range(1, 86).Select(seat => Payment(show, seat))]);
        await Eventually.TrueAsync(() => rig.Webhook.Received.Count > 20);

        await rig.SellAsync(show, seats: 1, from: 90);

        await Eventually.TrueAsync(() => rig.Webhook.Taken.Count() == 1);
        await rig.ExpectNoLagAsync();
    }

    private static PublishedEvent Unreadable(string value) => new(Payments, Guid.NewGuid().ToString(), value, new Dictionary<string, string>
    {
        ["ce_id"] = Guid.NewGuid().ToString(),
        ["ce_type"] = "payment.completed.v2",
    });

    private static PublishedEvent Payment(Show show, int seatNo) =>
        Unreadable(PaymentEvents.Payload(show.ConcertId, show.ScheduleId, seatNo));
}
