using System.Globalization;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>
/// A relay whose lease ends before it has sent what it claimed: others send it meanwhile, and it must not send it
/// behind them. Only the one event that it was passing to the producer when it was frozen may come behind: after the last check of the
/// lease no other can follow.
/// </summary>
[Category("Long"), Explicit, NotInParallel(nameof(RelayLease))]
public sealed class RelayLease : SharedRigTests
{
    private const string Reservations = "concert-booking.reservations";
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [Test]
    public async Task Relay_SlowerThanItsLease_OrderKept()
    {
        const int events = 40;
        await using var kafka = new MockKafka();
        kafka.CreateTopic(Reservations, partitions: 1);
        await using var fleet = await Fleet.StartAsync(Rig, 2, (KafkaServers.Setting, kafka.ConnectionString));
        await ExpectKafkaAsync(fleet);

        kafka.SetRoundTrip(TimeSpan.FromSeconds(1)); // of one key, so one after the other
        await AddAsync(fleet, OutboxRows.Keys(1)[0], events);
        await ExpectSentAsync(fleet);

        kafka.SetRoundTrip(TimeSpan.Zero);
        await OutboxRows.ExpectInOrderAsync(kafka.ConnectionString, Reservations, events);
    }

    [Test]
    public async Task Relay_FrozenBetweenClaimAndSendPastItsLease_OrderKept()
    {
        const int events = 12;
        await using var kafka = new MockKafka();
        kafka.CreateTopic(Reservations, partitions: 1);
        await using var fleet = await Fleet.StartAsync(Rig, 1, (KafkaServers.Setting, kafka.ConnectionString));
        await ExpectKafkaAsync(fleet);
        var key = OutboxRows.Keys(1)[0];

        kafka.SetRoundTrip(TimeSpan.FromSeconds(1));
        await AddAsync(fleet, key, events);
        await Eventually.TrueAsync(
            async () => await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox WHERE claim_id IS NOT NULL") == events,
            Patience);
        await fleet.Members[0].Instance.Process.PauseAsync();
        kafka.SetRoundTrip(TimeSpan.Zero);
        var other = await fleet.AddAsync();
        await ExpectSentAsync(fleet, Lease + Patience);
        await other.StopAsync();

        await fleet.Members[0].Instance.Process.ResumeAsync();
        await AddAsync(fleet, key, 1);
        await ExpectSentAsync(fleet);

        var published = await KafkaTopics.ReadAllAsync(kafka.ConnectionString, Reservations);
        var order = published.Select(static one => long.Parse(one.Value, CultureInfo.InvariantCulture)).ToList();
        await Assert.That(order.Distinct()).IsOrderedBy(static number => number);
        await Assert.That(order.Distinct().Count()).IsEqualTo(events + 1);
        await Assert.That(order.Count(number => number == order[0])).IsLessThanOrEqualTo(2);
        await Assert.That(order.Where(number => number != order[0])).HasDistinctItems();
    }

    /// <summary>In one statement, so that one claim gets them all.</summary>
    private static Task AddAsync(Fleet fleet, Guid key, int events) =>
        OutboxRows.AddAsync(fleet.Database, Reservations, "changed", [.. Enumerable.Repeat(key, events)]);

    private static Task ExpectKafkaAsync(Fleet fleet) => Eventually.TrueAsync(
        async () => (await fleet[0].GetAsync("/readyz")).Json.GetProperty("checks").Value("kafka") == "up", Patience);

    private static Task<long> ExpectSentAsync(Fleet fleet, TimeSpan? within = null) =>
        Eventually.GetAsync(() => fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox"), left => left == 0, within ?? Patience);
}
