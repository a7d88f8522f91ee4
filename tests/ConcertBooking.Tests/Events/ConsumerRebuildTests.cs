using System.Buffers.Binary;
using System.Text;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>A consumer whose client is of no use any more goes on with a new one.</summary>
[ParallelLimiter<ThreeAtOnce>]
public sealed class ConsumerRebuildTests : SharedRigTests
{
    private const KafkaRequest Heartbeat = (KafkaRequest)12;

    /// <summary>To the client of a consumer it is fatal, whatever it was configured with.</summary>
    private const KafkaError FencedInstanceId = (KafkaError)82;

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
        await Eventually.TrueAsync(() => Count(rig, "cannot consume") == 3);
        await rig.SellAsync(show, seats: 2, from: 2);

        await rig.ExpectEffectsOnceAsync(show, 3);
        await Eventually.TrueAsync(() => Count(rig, "consumes again") == 3);
        await Eventually.TrueAsync(
            async () => (await rig.Fleet[0].GetAsync("/readyz")).Expect(200).Json.GetProperty("checks").Value("kafka") == "up");
    }

    /// <summary>The client waits for that answer as long as a member may take for a batch, and reports nothing.</summary>
    [Test, Category("Long"), Explicit]
    public async Task Join_NeverAnswered_ANewClientJoins()
    {
        var kafka = new MockKafka();
        kafka.CreateTopic("concert-booking.payments", partitions: 4);
        await using var mute = new MuteCoordinator(kafka, "concert-booking.ranking");
        await using var rig = await EventRig.StartOnAsync(kafka, Rig, 1, (KafkaServers.Setting, mute.ConnectionString));
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        await rig.SellAsync(show, seats: 1);
        await Eventually.TrueAsync(() => Count(rig, "concert-booking.ranking cannot consume") == 1);
        await Assert.That(mute.Swallowed).IsEqualTo(1);

        await rig.ExpectEffectsOnceAsync(show, 1);
        await rig.ExpectNoLagAsync();
        await Assert.That(Count(rig, "cannot consume")).IsEqualTo(1);
        await Eventually.TrueAsync(() => Count(rig, "concert-booking.ranking consumes again") == 1);
    }

    private static int Count(EventRig rig, string text) =>
        rig.Fleet.Members[0].Instance.Process.Output.Count(line => line.Contains(text, StringComparison.Ordinal));

    /// <summary>Lets the first JoinGroup of a group go unheard.</summary>
    private sealed class MuteCoordinator(MockKafka kafka, string group) : BrokerProxy(kafka)
    {
        private const short JoinGroup = 11;

        private int _swallowed;

        public int Swallowed => Volatile.Read(ref _swallowed);

        protected override async Task ServeAsync(Stream client, Stream broker, CancellationToken stop)
        {
            var answers = broker.CopyToAsync(client, stop);
            while (!answers.IsCompleted)
            {
                var request = await KafkaFrames.ReadAsync(client, stop);
                if (BinaryPrimitives.ReadInt16BigEndian(request) == JoinGroup
                    && request.AsSpan().IndexOf(Encoding.ASCII.GetBytes(group)) >= 0
                    && Interlocked.CompareExchange(ref _swallowed, 1, 0) == 0)
                {
                    continue;
                }
                await KafkaFrames.WriteAsync(broker, request, stop);
            }
        }
    }
}
