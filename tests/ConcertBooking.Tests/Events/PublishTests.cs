using System.Text;
using System.Text.Json;
using ConcertBooking.Tests.Support;
using Confluent.Kafka;

namespace ConcertBooking.Tests.Events;

/// <summary>With Kafka the events leave the outbox as CloudEvents.</summary>
public sealed class PublishTests : SharedRigTests
{
    private static readonly string[] s_topics = ["concert-booking.reservations", "concert-booking.payments"];

    [Test]
    public async Task Publish_HeldAndPaid_ArriveAsCloudEvents()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        var paymentId = (await visitor.PayAsync(reservationId)).Expect(201).Value("paymentId");

        await Eventually.TrueAsync(async () => (await Rig.Database.EventTypesAsync(reservationId)).Count == 0, TimeSpan.FromSeconds(10));
        var events = await Task.Run(() => Consume(reservationId, until: 2, TimeSpan.FromSeconds(10)));

        var held = events["reservation.held.v1"];
        await Assert.That(held.Topic).IsEqualTo("concert-booking.reservations");
        await Assert.That(held.Value.Value("reservationId")).IsEqualTo(reservationId);
        var paid = events["payment.completed.v1"];
        await Assert.That(paid.Topic).IsEqualTo("concert-booking.payments");
        await Assert.That(paid.Value.Value("paymentId")).IsEqualTo(paymentId);
        foreach (var told in events.Values)
        {
            await Assert.That(told.Headers["ce_specversion"]).IsEqualTo("1.0");
            await Assert.That(Guid.TryParse(told.Headers["ce_id"], out _)).IsTrue();
            await Assert.That(told.Headers["ce_source"]).IsNotEmpty();
            await Assert.That(told.Headers["ce_time"]).EndsWith("Z");
            await Assert.That(told.Headers["content-type"]).StartsWith("application/json");
        }
        await Assert.That(held.Headers["ce_id"]).IsNotEqualTo(paid.Headers["ce_id"]);
    }

    private sealed record Told(string Topic, Dictionary<string, string> Headers, JsonElement Value);

    /// <summary>The reservation's events by their type, read from the start of both topics until there are that many.</summary>
    private Dictionary<string, Told> Consume(string reservationId, int until, TimeSpan within)
    {
        var settings = new ConsumerConfig { BootstrapServers = Rig.Servers.Kafka.ConnectionString, GroupId = "tests", EnableAutoCommit = false };
        using var consumer = new ConsumerBuilder<string, string>(settings).SetLogHandler((_, _) => { }).Build();
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        // Without a group: joining one takes longer than all the rest.
        consumer.Assign(
            from topic in s_topics
            from partition in admin.GetMetadata(topic, within).Topics.Single().Partitions
            select new TopicPartitionOffset(topic, partition.PartitionId, Offset.Beginning));
        var found = new Dictionary<string, Told>();
        using var deadline = new CancellationTokenSource(within);
        while (found.Count < until)
        {
            if (deadline.IsCancellationRequested)
                Assert.Fail($"Only {string.Join(", ", found.Keys)} of {reservationId} arrived within {within.TotalSeconds} s.");
            if (consumer.Consume(TimeSpan.FromMilliseconds(250)) is not { } result || result.Message.Key != reservationId)
                continue;
            var headers = result.Message.Headers.ToDictionary(header => header.Key, header => Encoding.UTF8.GetString(header.GetValueBytes()));
            found[headers["ce_type"]] = new Told(result.Topic, headers, JsonElement.Parse(result.Message.Value));
        }
        return found;
    }
}
