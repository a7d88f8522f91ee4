using ConcertBooking.DevHost.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>A consumer whose client met a fatal error goes on with a new one.</summary>
[ParallelLimiter<TwoAtOnce>]
public sealed class ConsumerRebuildTests : SharedRigTests
{
    private const KafkaRequest Heartbeat = (KafkaRequest)12;

    /// <summary>To the client of a consumer it is fatal, whatever it was configured with.</summary>
    private const KafkaError FencedInstanceId = (KafkaError)82;

    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(60);

    [Test]
    public async Task Consume_FatalErrorOfEveryClient_NewOnesGoOn()
    {
        var kafka = new MockKafka();
        kafka.CreateTopic("concert-booking.payments", partitions: 4); // else the clients report that it is missing at first
        await using var rig = await EventRig.StartOnAsync(kafka, Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        await rig.SellAsync(show, seats: 1);
        await rig.ExpectEffectsOnceAsync(show, 1);

        kafka.Fail(Heartbeat, FencedInstanceId, times: 3);
        await Eventually.TrueAsync(() => CountLogged("cannot consume") == 3, s_soon);
        await rig.SellAsync(show, seats: 2, from: 2);

        await rig.ExpectEffectsOnceAsync(show, 3);
        await Eventually.TrueAsync(() => CountLogged("consumes again") == 3, s_soon);
        await Eventually.TrueAsync(
            async () => (await rig.Fleet[0].GetAsync("/readyz")).Expect(200).Json.GetProperty("checks").Value("kafka") == "up", s_soon);

        int CountLogged(string text) => rig.Fleet.Members[0].Instance.Process.Output.Count(line => line.Contains(text, StringComparison.Ordinal));
    }
}
