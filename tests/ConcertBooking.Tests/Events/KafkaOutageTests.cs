using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>Faults of a Kafka that is reached or not: each is visible, ends without a restart, and loses no event.</summary>
[ParallelLimiter<ThreeAtOnce>]
public sealed class KafkaOutageTests : SharedRigTests
{
    private const string Payments = "concert-booking.payments";
    private const string Reservations = "concert-booking.reservations";

    /// <summary>After a fault has ended.</summary>
    private static readonly TimeSpan Whole = Eventually.Promised(seconds: 15);

    [Test]
    public async Task Brokers_UnreachableFromTheStart_LoggedAndDown()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1, (KafkaServers.Setting, $"127.0.0.1:{Ports.Take()}"));

        await OutageTable.ExpectAsync("Kafka gone", fleet.Members[0].Instance);
        await ExpectLoggedAsync(fleet, "Kafka is down");
    }

    [Test]
    public async Task Topic_MissingWhereTopicsAreNotCreated_NamedAndDownUntilItIsThere()
    {
        await using var kafka = new MockKafka();
        kafka.CreateTopic(Reservations, partitions: 6);
        kafka.SetTopicError(Reservations, KafkaError.UnknownTopicOrPartition);
        await using var fleet = await Fleet.StartAsync(Rig, 1, (KafkaServers.Setting, kafka.ConnectionString));
        var show = await fleet.Catalogue.AddShowAsync();
        var held = await HoldAsync(fleet, show, seatNo: 1);

        await OutageTable.ExpectAsync("Kafka topic missing", fleet.Members[0].Instance);
        await ExpectLoggedAsync(fleet, $"Kafka has no topic {Reservations}");
        await Assert.That(await fleet.Database.EventTypesAsync(held)).Count().IsEqualTo(1);
        kafka.SetTopicError(Reservations, KafkaError.None);

        await ExpectSentAsync(fleet, Whole);
        await ExpectKafkaAsync(fleet, "up");
        await ExpectPublishedAsync(kafka, held);
    }

    [Test]
    public async Task Topics_Missing_CreatedWithTheirPartitions()
    {
        await using var kafka = new MockKafka();
        await using var admin = new TopicAdmin(kafka);
        await using var fleet = await Fleet.StartAsync(
            Rig, 1, (KafkaServers.Setting, admin.ConnectionString), ("Kafka__Partitions", "3"), ("Kafka__ReplicationFactor", "1"));
        var show = await fleet.Catalogue.AddShowAsync();
        var held = await HoldAsync(fleet, show, seatNo: 1);

        await ExpectSentAsync(fleet);
        await Assert.That(admin.Created.Keys).IsEquivalentTo([Payments, Payments + ".dlq", Reservations]);
        await Assert.That(admin.Created.Values.Distinct()).IsEquivalentTo([(3, (short)1)]);
        await ExpectPublishedAsync(kafka, held);
        await ExpectKafkaAsync(fleet, "up");
    }

    [Test]
    public async Task Topics_Missing_CreatedByDefaultWithSixPartitionsAndTheBrokersReplication()
    {
        await using var kafka = new MockKafka();
        await using var admin = new TopicAdmin(kafka);
        await using var fleet = await Fleet.StartAsync(Rig, 1, (KafkaServers.Setting, admin.ConnectionString));

        await ExpectKafkaAsync(fleet, "up");
        await Assert.That(admin.Created.Values.Distinct()).IsEquivalentTo([(6, (short)-1)]);
    }

    [Test]
    public async Task Producer_FatalErrorWhileRunning_BuiltAnewAndNothingLost()
    {
        await using var kafka = new MockKafka();
        await using var fleet = await Fleet.StartAsync(Rig, 1, (KafkaServers.Setting, kafka.ConnectionString));
        var show = await fleet.Catalogue.AddShowAsync();
        var first = await HoldAsync(fleet, show, seatNo: 1);
        await ExpectSentAsync(fleet);

        kafka.Fail(KafkaRequest.Produce, KafkaError.OutOfOrderSequenceNumber);
        var second = await HoldAsync(fleet, show, seatNo: 2);
        await ExpectSentAsync(fleet, Whole);
        var third = await HoldAsync(fleet, show, seatNo: 3);

        await ExpectSentAsync(fleet, Whole);
        await ExpectPublishedAsync(kafka, first, second, third);
        await ExpectKafkaAsync(fleet, "up");
    }

    [Test]
    public async Task Producer_FatalErrorFromTheStart_DownUntilItIsHealed()
    {
        await using var kafka = new MockKafka();
        kafka.Fail(KafkaRequest.InitProducerId, KafkaError.ClusterAuthorizationFailed, times: 1_000);
        await using var fleet = await Fleet.StartAsync(Rig, 1, (KafkaServers.Setting, kafka.ConnectionString));
        var show = await fleet.Catalogue.AddShowAsync();
        var held = await HoldAsync(fleet, show, seatNo: 1);

        await OutageTable.ExpectAsync("Kafka producer refused", fleet.Members[0].Instance);
        await ExpectLoggedAsync(fleet, "Kafka is down");
        kafka.Heal(KafkaRequest.InitProducerId);

        await ExpectSentAsync(fleet, Whole);
        await ExpectKafkaAsync(fleet, "up");
        await ExpectPublishedAsync(kafka, held);
    }

    /// <summary>More events of it than the relay has under way at once, and older than all others.</summary>
    [Test]
    public async Task Partition_WithoutLeader_TheOthersFlow()
    {
        const int partitions = 4, stuck = 0;
        await using var kafka = new MockKafka();
        kafka.CreateTopic(Reservations, partitions);
        kafka.RemoveLeader(Reservations, stuck);
        await using var fleet = await Fleet.StartAsync(Rig, 0);
        var waiting = OutboxRows.Keys(3_000, partition: stuck, partitions);
        await OutboxRows.AddAsync(fleet.Database, Reservations, "stuck", waiting);
        await fleet.AddAsync((KafkaServers.Setting, kafka.ConnectionString));

        // These come later, each key with several in order.
        var flowing = Enumerable.Range(1, partitions - 1).SelectMany(partition => OutboxRows.Keys(20, partition, partitions)).ToList();
        for (var change = 0; change < 3; change++)
        {
            await OutboxRows.AddAsync(fleet.Database, Reservations, "flowing", flowing);
        }

        await Eventually.GetAsync(() => OutboxRows.LeftAsync(fleet.Database, "flowing"), left => left == 0, Whole);
        await Assert.That(await OutboxRows.LeftAsync(fleet.Database, "stuck")).IsEqualTo(waiting.Count);
        await OutageTable.ExpectAsync("Kafka partition without leader", fleet.Members[0].Instance);
        kafka.RestoreLeader(Reservations, stuck);

        await ExpectSentAsync(fleet, Whole);
        await OutboxRows.ExpectInOrderAsync(kafka.ConnectionString, Reservations, waiting.Count + (3 * flowing.Count));
    }

    private static async Task<string> HoldAsync(Fleet fleet, Show show, long seatNo) =>
        await (await fleet.NewVisitorAsync(show)).HeldAsync(show, seatNo);

    private static Task<Reply> ExpectKafkaAsync(Fleet fleet, string state) => Eventually.GetAsync(
        () => fleet.Members[^1].Api.GetAsync("/readyz"),
        ready => ready.Status == 200 && ready.Json.GetProperty("checks").Value("kafka") == state
            && ready.Value("status") == (state == "up" ? "ready" : "degraded"));

    private static Task ExpectLoggedAsync(Fleet fleet, string text) => Eventually.TrueAsync(
        () => fleet.Members[^1].Instance.Process.Output.Any(line => line.Contains(text, StringComparison.Ordinal)));

    private static Task<long> ExpectSentAsync(Fleet fleet, TimeSpan? within = null) =>
        Eventually.GetAsync(() => fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox"), left => left == 0, within);

    /// <summary>Each of them was told of, and nobody else.</summary>
    private static async Task ExpectPublishedAsync(MockKafka kafka, params string[] reservations)
    {
        var published = await KafkaTopics.ReadAllAsync(kafka.ConnectionString, Reservations);
        await Assert.That(published.Select(one => one.Key).Distinct()).IsEquivalentTo(reservations);
    }
}
