using System.Diagnostics;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Queue;

/// <summary>How quickly places are handed out: all at once, at the queue's own rate, or slower while the service is in trouble.</summary>
public sealed class AdmissionRateTests : SharedRigTests
{
    [Test]
    public async Task PutQueue_FiftyMorePlaces_AdmitsFiftyAtOnce()
    {
        // A database of its own, for slow holds of other tests would throttle the queue.
        await using var alone = await Rig.StartAloneAsync();
        var queue = await alone.Catalogue.AddQueueAsync(maxActive: 50);
        for (var index = 0; index < 120; index++)
        {
            await Rig.NewVisitor(alone).EnteredAsync(queue);
        }

        var reply = (await alone.Catalogue.PutQueueAsync(queue, maxActive: 100)).Expect(200);

        await Assert.That((reply.Number("active"), reply.Number("waiting"))).IsEqualTo((100L, 20L));
    }

    [Test]
    public async Task AdmitPerSecond_PlacesFree_AdmitsAtThatRate()
    {
        const int Rate = 4, Users = 13;
        var queue = Catalogue.NewQueueName();
        var put = (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 1000, admitPerSecond: Rate)).Expect(200);
        await Assert.That(put.Number("admitPerSecond")).IsEqualTo(Rate);
        var started = Stopwatch.StartNew();
        for (var index = 0; index < Users; index++)
        {
            await Rig.NewVisitor(index % 2 == 0 ? Rig.A : Rig.B).EnteredAsync(queue);
        }

        long active;
        do
        {
            var before = started.Elapsed.TotalSeconds;
            active = (await Rig.Catalogue.GetQueueAsync(queue)).Number("active");
            var after = started.Elapsed.TotalSeconds;
            await Assert.That(active).IsLessThanOrEqualTo(1 + (long)Math.Ceiling(Rate * after))
                .Because($"asked from {before:0.00} to {after:0.00} s");
            await Task.Delay(20);
        }
        while (active < Users && started.Elapsed < Eventually.Patience);
        await Assert.That(active).IsEqualTo(Users);
        await Assert.That(started.Elapsed).IsGreaterThan(TimeSpan.FromSeconds(2.5));
        (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 1000, admitPerSecond: 0))
            .Expect(200).ExpectMembers("queue", "waiting", "active", "maxActive", "activeSeconds");
    }

    [Test]
    public async Task Admission_HoldsAreSlow_IsThrottledAndComesBackByItself()
    {
        await using var instance = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Queue__SlowHoldMs"] = "1" });
        var show = await instance.Catalogue.AddShowAsync(maxActive: 400);
        var holder = await Rig.NewVisitor(instance).AdmittedAsync(show);
        using var stop = new CancellationTokenSource();
        async Task HoldAndReleaseAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                (await holder.ReleaseAsync(await holder.HeldAsync(show))).Expect(204);
            }
        }
        async Task<bool> IsThrottledAsync()
        {
            await Task.Delay(300);
            var group = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Rig.NewVisitor(instance).EnterAsync(show.Queue)));
            return group.Any(entered => entered.Expect(201).Value("status") == "WAITING");
        }
        var holding = HoldAndReleaseAsync();

        await Eventually.TrueAsync(IsThrottledAsync);
        await stop.CancelAsync();
        await holding;

        await Eventually.TrueAsync(async () => !await IsThrottledAsync());
        var queue = await instance.Catalogue.GetQueueAsync(show.Queue);
        await Assert.That(queue.Number("waiting")).IsEqualTo(0);
        await Assert.That(queue.Number("active")).IsLessThan(400).Because("a full queue would have proved nothing");
    }
}
