using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>Dead letters go back to the group that gave them up, and to no other.</summary>
[ParallelLimiter<ThreeAtOnce>]
public sealed class ReplayTests : SharedRigTests
{
    private const string Payments = "concert-booking.payments";
    private const string Dead = Payments + ".dlq";
    [Test]
    public async Task Replay_UnreadableByThreeGroups_StaysThreeWithTheProducersHeaders()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var garbage = new PublishedEvent(Payments, Guid.NewGuid().ToString(), "no json", new Dictionary<string, string>
        {
            ["ce_id"] = Guid.NewGuid().ToString(),
            ["ce_type"] = "payment.completed.v2",
            ["x-tenant"] = "kept",
        });
        await KafkaTopics.SendAsync(rig.Kafka.ConnectionString, garbage);
        await ExpectLettersAsync(rig, 3);

        for (var time = 1; time <= 2; time++)
        {
            await Assert.That((await ReplayAsync(rig)).Number("deadLetters")).IsEqualTo(3);
            await ExpectLettersAsync(rig, 3);
            await rig.ExpectNoLagAsync();
            await Assert.That(await rig.PublishedAsync(Dead)).Count().IsEqualTo(3 + (3 * time));
        }

        string[] groups = ["concert-booking.notifications", "concert-booking.ranking", "concert-booking.sales"];
        var back = (await rig.PublishedAsync(Payments)).Where(published => published.Headers.ContainsKey("x-replay-group")).ToList();
        await Assert.That(back.CountBy(published => published.Headers["x-replay-group"]).Select(group => (group.Key, group.Value)))
            .IsEquivalentTo(groups.Select(group => (group, 2)));
        foreach (var published in back)
        {
            await Assert.That(published.Headers.Keys).IsEquivalentTo([.. garbage.Headers.Keys, "x-replay-group"]);
        }

        foreach (var letter in await rig.PublishedAsync(Dead))
        {
            await Assert.That(letter.Headers["x-tenant"]).IsEqualTo("kept");
            await Assert.That(letter.Headers.ContainsKey("x-replay-group")).IsFalse();
        }
    }

    [Test]
    public async Task Replay_IdsForgotten_CountsNothingTwice()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        rig.Webhook.Answer = static body => body.Contains("\"seatNo\":2,", StringComparison.Ordinal) ? 422 : 200;
        await rig.SellAsync(show, seats: 3);
        await ExpectLettersAsync(rig, 1);
        await Eventually.GetAsync(rig.SeatsSoldAsync, static sold => sold == 3);
        var letter = (await rig.PublishedAsync(Dead)).Single();

        // Two weeks later: nothing is remembered. Of an old letter without a group nobody knows who had its event.
        await rig.Database.ExecuteAsync("DELETE FROM consumed_event");
        var old = letter with
        {
            Value = letter.Value.Replace(
                $"\"paidAt\":\"{DateTime.UtcNow.Year}", $"\"paidAt\":\"{DateTime.UtcNow.Year - 1}", StringComparison.Ordinal),
            Headers = letter.Headers.Where(header => header.Key != "x-consumer-group").ToDictionary(),
        };
        ((Dictionary<string, string>)old.Headers)["ce_id"] = Guid.NewGuid().ToString();
        await KafkaTopics.SendAsync(rig.Kafka.ConnectionString, old);
        rig.Webhook.Answer = static _ => 200;
        await Assert.That((await ReplayAsync(rig)).Number("deadLetters")).IsEqualTo(2);

        // The old one comes back: neither group may assume that it is new.
        await ExpectLettersAsync(rig, 2);
        await rig.ExpectNoLagAsync();
        await Assert.That(await rig.SeatsSoldAsync()).IsEqualTo(3);
        await Assert.That(rig.Webhook.Taken.Select(taken => taken.EventId).Distinct().Count()).IsEqualTo(3);
        var again = (await rig.PublishedAsync(Dead))
            .Where(published => published.Value == old.Value && published.Headers.ContainsKey("x-consumer-group")).ToList();
        await Assert.That(again.Select(published => published.Headers["x-consumer-group"]).Order())
            .IsEquivalentTo(["concert-booking.notifications", "concert-booking.sales"]);
        foreach (var published in again)
        {
            await Assert.That(published.Headers["x-exception"]).Contains("older than the memory");
        }
    }

    private static async Task<System.Text.Json.JsonElement> ReplayAsync(EventRig rig) =>
        (await rig.Fleet.Admin.PostAsync("/v1/admin/events/replay", """{"state":"dead"}""")).Expect(202).Json;

    private static Task<System.Text.Json.JsonElement> ExpectLettersAsync(EventRig rig, int count) => Eventually.GetAsync(
        async () => (await rig.Fleet.Admin.GetAsync("/v1/admin/events")).Expect(200).Json,
        events => !events.IsNull("deadLetters") && events.Number("deadLetters") == count);
}
