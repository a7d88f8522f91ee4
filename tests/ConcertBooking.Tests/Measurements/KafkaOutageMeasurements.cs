using System.Diagnostics;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Measurements;

/// <summary>Kafka absent or hung: payments are as fast as with it. The bound has room for a machine that also runs the buyers.</summary>
[Category("Measurement"), Explicit, NotInParallel]
public sealed class KafkaOutageMeasurements : SharedRigTests
{
    private const int Buyers = 4;
    private const double RoomMilliseconds = 50;

    [Test]
    public async Task Pay_WithoutKafka_IsAsFastAsWithIt()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 100_000);
        var seat = 0;
        await SellForAsync(TimeSpan.FromSeconds(5)); // warms up
        var normal = await SellForAsync(TimeSpan.FromSeconds(15));

        await rig.Kafka.PauseAsync();
        var hung = await SellForAsync(TimeSpan.FromSeconds(15));
        await rig.Kafka.ResumeAsync();
        await rig.Kafka.KillAsync();
        await SellForAsync(TimeSpan.FromSeconds(5));
        var without = await SellForAsync(TimeSpan.FromSeconds(15));

        TestContext.Current!.Output.WriteLine(
            $"pay p99 {normal.Part(0.99):0.0} ms with Kafka, {without.Part(0.99):0.0} ms without, {hung.Part(0.99):0.0} ms while it hangs "
            + $"({normal.Count}, {without.Count}, {hung.Count} payments)");
        await Assert.That(without.Part(0.99)).IsLessThan((2 * normal.Part(0.99)) + RoomMilliseconds);
        await Assert.That(hung.Part(0.99)).IsLessThan((2 * normal.Part(0.99)) + RoomMilliseconds);

        async Task<List<double>> SellForAsync(TimeSpan time)
        {
            var started = Stopwatch.GetTimestamp();
            var sold = await Task.WhenAll(Enumerable.Range(0, Buyers).Select(async _ =>
            {
                var latencies = new List<double>();
                while (Stopwatch.GetElapsedTime(started) < time)
                {
                    var visitor = await rig.Fleet.NewVisitorAsync(show, points: show.Price);
                    var reservationId = await visitor.HeldAsync(show, Interlocked.Increment(ref seat));
                    var asked = Stopwatch.GetTimestamp();
                    (await visitor.PayAsync(reservationId)).Expect(201);
                    latencies.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
                }
                return latencies;
            }));
            return [.. sold.SelectMany(static latencies => latencies)];
        }
    }
}
