using System.Diagnostics;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>Kafka absent, gone, hung; relays killed and frozen: payments go on, and every event arrives and counts once.</summary>
[Category("Long"), Explicit, NotInParallel(nameof(KafkaFaults))]
public sealed class KafkaFaults : SharedRigTests
{
    private const string Payments = "concert-booking.payments";
    private const string Reservations = "concert-booking.reservations";
    private const int Buyers = 4;
    private static readonly TimeSpan Promised = Eventually.Promised(seconds: 15);

    [Test]
    public async Task Kafka_AbsentThenGoneThenHung_PaymentsGoOnAndEveryEventArrives()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 100_000);
        var seat = 0;
        await SellForAsync(TimeSpan.FromSeconds(5));
        await ExpectAllPublishedAsync(rig);

        await rig.Kafka.KillAsync();
        await rig.Fleet.Members[0].StopAsync();
        await rig.Fleet.Members[0].StartAsync(); // Kafka is absent from the start
        await SellForAsync(TimeSpan.FromSeconds(5));
        var memory = Memory();
        await SellForAsync(TimeSpan.FromSeconds(60));
        var memoryAfter = Memory();
        // In a minute and some seconds; once a minute at most, and the instance began without.
        var logged = rig.Fleet.Members[0].Instance.Process.Output.Where(static line => line.Contains(
            "Kafka answers", StringComparison.Ordinal)
            || line.Contains("Kafka is down", StringComparison.Ordinal)).ToList();
        await Assert.That(logged.Count).IsLessThanOrEqualTo(2).Because(string.Join('\n', logged));
        await rig.Kafka.StartAsync();
        await ExpectAllPublishedAsync(rig);

        await rig.Kafka.PauseAsync();
        await SellForAsync(TimeSpan.FromSeconds(20));
        await rig.Kafka.ResumeAsync();
        await ExpectAllPublishedAsync(rig);

        Report($"resident {memory} MB, after a minute without Kafka {memoryAfter} MB");
        await Assert.That(memoryAfter - memory).IsLessThan(64);
        await rig.ExpectEffectsOnceAsync(show, seat);

        async Task SellForAsync(TimeSpan time)
        {
            var started = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, Buyers).Select(async _ =>
            {
                while (Stopwatch.GetElapsedTime(started) < time)
                {
                    await rig.SellAsync(show, seats: 1, from: Interlocked.Increment(ref seat));
                }
            }));
        }

        long Memory() => rig.Fleet.Members[0].Instance.Process.ResidentMegabytes;
    }

    [Test]
    public async Task Relay_KilledBetweenAcknowledgementAndDelete_SentAgainAndCountedOnce()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        await rig.SellAsync(show, seats: 1);
        await rig.ExpectEffectsOnceAsync(show, 1);
        await rig.Kafka.KillAsync();
        var reservationId = (await rig.SellAsync(show, seats: 1, from: 2)).Single();
        await using (var blocker = await rig.Database.OpenAsync())
        {
            // The relay notes the acknowledgement in the payment's row before it deletes the event.
            await using var transaction = await blocker.BeginTransactionAsync();
            await using var command = blocker.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = "SELECT payment_id FROM payment ORDER BY created_at FOR UPDATE";
            await command.ExecuteScalarAsync();
            await rig.Kafka.StartAsync();
            await Eventually.TrueAsync(
                async () => (await rig.PublishedAsync(Payments)).Any(published => published.Key == reservationId), Promised);
            await rig.Database.ExpectWaitingAsync();
            await rig.Fleet.Members[0].KillAsync();
            // Its last statements are at MySQL already, and would go on once the lock is free.
            await rig.Database.ExpectNoneWaitingAsync();
        }
        await Assert.That(await rig.Database.EventTypesAsync(reservationId)).Contains("payment.completed.v2");

        await rig.Fleet.Members[0].StartAsync();
        await Eventually.TrueAsync(async () => (await rig.Database.EventTypesAsync(reservationId)).Count == 0);

        var published = (await rig.PublishedAsync(Payments)).Where(published => published.Key == reservationId).ToList();
        await Assert.That(published.Count).IsGreaterThan(1);
        await Assert.That(published.Select(again => again.Id).Distinct().Count()).IsEqualTo(1);
        await rig.SellAsync(show, seats: 1, from: 3);
        await rig.ExpectEffectsOnceAsync(show, 3);
    }

    [Test]
    public async Task Relays_ThreeOneFrozenPastItsLease_OrderKeptAndCountedOnce()
    {
        await using var rig = await EventRig.StartAsync(Rig, size: 3);
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 200);
        await rig.SellAsync(show, seats: 10);
        await rig.Kafka.PauseAsync();
        for (var member = 0; member < 3; member++)
        {
            await rig.SellAsync(show, seats: 20, from: 11 + (20 * member), member);
        }

        // It has claimed what it could not send, and sends it when the others have long sent it again.
        await rig.Fleet.Members[0].Instance.Process.PauseAsync();
        await rig.Kafka.ResumeAsync();
        await Eventually.TrueAsync(async () => await rig.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox") == 0);
        await rig.Fleet.Members[0].Instance.Process.ResumeAsync();
        await rig.SellAsync(show, seats: 10, from: 71);

        await ExpectAllPublishedAsync(rig);
        await rig.ExpectEffectsOnceAsync(show, 80);
    }

    [Test]
    public async Task Webhook_DownForAMinute_EveryNotificationDelivered()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 100);
        await rig.SellAsync(show, seats: 5);
        await Eventually.TrueAsync(() => rig.Webhook.Taken.Count() == 5, Promised);

        await rig.Webhook.StopAsync();
        var down = Stopwatch.GetTimestamp();
        var from = 6;
        for (; Stopwatch.GetElapsedTime(down) < TimeSpan.FromSeconds(60) && from < 90; from++)
        {
            await rig.SellAsync(show, seats: 1, from);
            await Task.Delay(TimeSpan.FromMilliseconds(700)); // spreads the sales over the minute
        }
        rig.Webhook.Start();

        await rig.ExpectEffectsOnceAsync(show, from - 1);
        await Assert.That(await rig.PublishedAsync(Payments + ".dlq")).IsEmpty();
    }

    /// <summary>Everything leaves the outbox in the promised time; each change is told once or more by one id, in order.</summary>
    private static async Task ExpectAllPublishedAsync(EventRig rig)
    {
        await Eventually.GetAsync(() => rig.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox"), waiting => waiting == 0, Promised);
        var published = await rig.PublishedAsync(Payments, Reservations);
        var paid = await rig.Database.ScalarAsync<long>("SELECT COUNT(*) FROM payment");
        var held = await rig.Database.ScalarAsync<long>("SELECT COUNT(*) FROM reservation");
        await Assert.That(published.Select(one => one.Id).Distinct().LongCount()).IsEqualTo(paid + held);
        await Assert.That(published.Select(one => (one.Key, one.Type)).Distinct().LongCount()).IsEqualTo(paid + held);
        foreach (var ofKey in published.GroupBy(one => one.Key))
        {
            var (hold, payment) = (ofKey.First(one => one.Topic == Reservations), ofKey.FirstOrDefault(one => one.Topic == Payments));
            if (payment is not null)
            {
                await Assert.That(string.CompareOrdinal(hold.Headers["ce_time"], payment.Headers["ce_time"])).IsLessThan(0);
            }
        }
        await rig.Fleet.VerifyAsync();
    }

    private static void Report(string line) => TestContext.Current!.Output.WriteLine(line);
}
