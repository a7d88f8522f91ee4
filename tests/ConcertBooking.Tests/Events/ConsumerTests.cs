using System.Security.Cryptography;
using System.Text;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>The three groups: each effect once, whatever is delivered how often.</summary>
[ParallelLimiter<ThreeAtOnce>]
public sealed class ConsumerTests : SharedRigTests
{
    private const string Payments = "concert-booking.payments";
    private const string Dead = Payments + ".dlq";
    [Test]
    public async Task Consume_Paid_SoldRankedAndNotifiedOnceThoughDeliveredTwice()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 3, price: 700);

        await rig.SellAsync(show, seats: 3);
        await ExpectAsync(rig, show, 3);
        var published = await rig.PublishedAsync(Payments);
        foreach (var again in published)
        {
            await KafkaTopics.SendAsync(rig.Kafka.ConnectionString, again);
        }
        // Behind them comes one more, so that they were consumed when its effect is there.
        var other = await rig.Fleet.Catalogue.AddShowAsync(seats: 5, price: 50);
        await rig.SellAsync(other, seats: 1);
        await ExpectAsync(rig, other, 1, inAll: 4);

        await Assert.That(await rig.RankedAsync(show)).IsEqualTo(3);
        await Assert.That(rig.Webhook.Received.Count).IsEqualTo(4);
        await Assert.That(
            await rig.Database.ScalarAsync<long>(
                "SELECT amount FROM sales_daily WHERE concert_id = @id", ("@id", show.ConcertId))).IsEqualTo(2100);
        var soldOut = (await rig.Fleet[0].GetAsync("/v1/rankings/sold-out"))
            .Expect(200).Json.GetProperty("items").EnumerateArray().Single();
        soldOut.ExpectMembers("scheduleId", "concertId", "title", "soldOutSeconds");
        await Assert.That(soldOut.Number("scheduleId")).IsEqualTo(show.ScheduleId);
        await Assert.That(soldOut.Number("soldOutSeconds")).IsBetween(0, 60);
        foreach (var notification in rig.Webhook.Received)
        {
            await ExpectSignedNowAsync(notification, rig.Webhook.Key);
            await Assert.That(notification.Headers["Idempotency-Key"]).IsEqualTo(notification.EventId);
        }
    }

    /// <summary>A payment of several seats has all its effects; one that a build before bookings sent is read as ever.</summary>
    [Test]
    public async Task Consume_SeveralSeatsAndAnOlderType_CountsEverySeat()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 10, price: 100);
        var visitor = await rig.Fleet.NewVisitorAsync(show, points: 300);
        (await visitor.PayBookingAsync(await visitor.HeldTogetherAsync(show, 1, 2, 3))).Expect(201);
        await KafkaTopics.SendAsync(rig.Kafka.ConnectionString, new PublishedEvent(
            Payments, Guid.NewGuid().ToString(), PaymentEvents.PayloadV1(show.ConcertId, show.ScheduleId, seatNo: 4),
            new Dictionary<string, string> { ["ce_id"] = Guid.NewGuid().ToString(), ["ce_type"] = "payment.completed.v1" }));

        await ExpectSalesAsync(rig, 4);
        await Eventually.GetAsync(() => rig.RankedAsync(show), ranked => ranked == 4);
        await Eventually.TrueAsync(() => rig.Webhook.Taken.Count() == 2);
        await Assert.That(await rig.Database.ScalarAsync<long>(
            "SELECT amount FROM sales_daily WHERE concert_id = @id", ("@id", show.ConcertId))).IsEqualTo(301);
        await Assert.That(rig.Webhook.Taken.Count(static taken => taken.Body.Contains("\"seats\":[", StringComparison.Ordinal)))
            .IsEqualTo(1);
    }

    /// <summary>What a receiver checks: the body and the time of sending are signed, and that time is not long ago.</summary>
    private static async Task ExpectSignedNowAsync(Notification notification, string key)
    {
        var timestamp = notification.Headers["X-Signature-Timestamp"];
        var age = TimeProvider.System.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(
            long.Parse(timestamp, System.Globalization.CultureInfo.InvariantCulture));
        var signature = HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes($"{timestamp}.{notification.Body}"));

        await Assert.That(age.Duration()).IsLessThan(TimeSpan.FromMinutes(5));
        await Assert.That(notification.Headers["X-Signature-256"]).IsEqualTo($"sha256={Convert.ToHexStringLower(signature)}");
    }

    [Test]
    public async Task Consume_Poison_DeadLetterWithItsHeadersAndOnceAfterItIsPutBack()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        var poison = new PublishedEvent(Payments, Guid.NewGuid().ToString(), PaymentEvents.Payload(show.ConcertId, 4711, 1),
            new Dictionary<string, string>
            {
                ["ce_id"] = Guid.NewGuid().ToString(),
                ["ce_type"] = "payment.completed.v2",
                ["ce_specversion"] = "1.0",
                ["extra"] = "kept",
            });
        var garbage = poison with
        {
            Value = "no json",
            Headers = new Dictionary<string, string>(poison.Headers) { ["ce_id"] = Guid.NewGuid().ToString() },
        };

        await KafkaTopics.SendAsync(rig.Kafka.ConnectionString, poison);
        await KafkaTopics.SendAsync(rig.Kafka.ConnectionString, garbage);
        await rig.SellAsync(show, seats: 2);
        await Eventually.GetAsync(() => rig.RankedAsync(show), ranked => ranked == 2);
        // The garbage is refused by all three groups, the unknown schedule by the ranking alone.
        var letters = await Eventually.GetAsync(() => rig.PublishedAsync(Dead), found => found.Count >= 4);

        var letter = letters.Single(found => found.Id == poison.Id);
        await Assert.That(letter.Key).IsEqualTo(poison.Key);
        await Assert.That(letter.Value).IsEqualTo(poison.Value);
        await Assert.That(letter.Headers["extra"]).IsEqualTo("kept");
        await Assert.That(letter.Headers["x-original-topic"]).IsEqualTo(Payments);
        await Assert.That(int.Parse(letter.Headers["x-original-partition"])).IsGreaterThanOrEqualTo(0);
        await Assert.That(long.Parse(letter.Headers["x-original-offset"])).IsGreaterThanOrEqualTo(0);
        await Assert.That(letter.Headers["x-exception"]).Contains("there is no schedule 4711");
        await Assert.That(int.Parse(letter.Headers["x-attempts"])).IsGreaterThanOrEqualTo(5);
        await Assert.That(DateTimeOffset.Parse(letter.Headers["x-failed-at"])).IsGreaterThan(DateTimeOffset.UtcNow.AddMinutes(-2));
        var counts = (await rig.Fleet.Admin.GetAsync("/v1/admin/events")).Expect(200).Json;
        await Assert.That(counts.Number("deadLetters")).IsEqualTo(4);

        // What the ranking missed is there now; put back, the event counts once.
        await rig.Database.ExecuteAsync(
            "INSERT INTO concert_schedule (schedule_id, concert_id, starts_at, price, seat_count) VALUES (4711, @id, '2030-01-01', 1, 1)",
            ("@id", show.ConcertId));
        var replayed = (await rig.Fleet.Admin.PostAsync("/v1/admin/events/replay", """{"state":"dead"}""")).Expect(202).Json;
        await Assert.That(replayed.Number("deadLetters")).IsEqualTo(4);
        await Eventually.GetAsync(() => rig.RankedAsync(show), ranked => ranked == 3);
        var back = (await rig.PublishedAsync(Payments)).Where(published => published.Id == poison.Id).ToList();
        await Assert.That(back).Count().IsEqualTo(2);
        await Assert.That(back[1].Headers.Keys).IsEquivalentTo([.. poison.Headers.Keys, "x-replay-group"]);
        await Assert.That(back[1].Headers["x-replay-group"]).IsEqualTo("concert-booking.ranking");
        await Assert.That(back[1].Key).IsEqualTo(poison.Key);
        await ExpectSalesAsync(rig, 3);

        // The garbage comes back as dead letters; a repeat puts back those alone.
        await Eventually.GetAsync(
            async () => (await rig.Fleet.Admin.GetAsync("/v1/admin/events")).Expect(200).Json.Number("deadLetters"), dead => dead >= 3);
        await Assert.That(await rig.RankedAsync(show)).IsEqualTo(3);
        await Assert.That((await rig.PublishedAsync(Dead)).Count(found => found.Id == poison.Id)).IsEqualTo(1);
    }

    [Test]
    public async Task Consume_WebhookDown_WaitsAndDeliversAll()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        await rig.SellAsync(show, seats: 2);
        await Eventually.TrueAsync(() => rig.Webhook.Taken.Count() == 2);

        await rig.Webhook.StopAsync();
        await rig.SellAsync(show, seats: 4, from: 3);
        await ExpectSalesAsync(rig, 6);
        // Its tries are used up, and it says so.
        await Eventually.TrueAsync(
            () => rig.Fleet.Members[0].Instance.Process.Output.Any(
                line => line.Contains("notifications waits with", StringComparison.Ordinal)));
        rig.Webhook.Answer = static _ => 500;
        rig.Webhook.Start();
        await Eventually.TrueAsync(() => rig.Webhook.Received.Count > 8);
        rig.Webhook.Answer = static _ => 200;
        await Eventually.TrueAsync(() => rig.Webhook.Taken.Count() == 6);

        await Assert.That(await rig.PublishedAsync(Dead)).IsEmpty();
        await Assert.That(rig.Webhook.Taken.Select(taken => taken.EventId).Distinct().Count()).IsEqualTo(6);
    }

    [Test]
    public async Task Consume_WebhookRefusesOne_TheOthersFlow()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        rig.Webhook.Answer = static body => body.Contains("\"seatNo\":2,", StringComparison.Ordinal) ? 500 : 200;

        await rig.SellAsync(show, seats: 6);

        await Eventually.TrueAsync(() => rig.Webhook.Taken.Count() == 5);
        await rig.SellAsync(show, seats: 1, from: 7);
        var letter = (await Eventually.GetAsync(() => rig.PublishedAsync(Dead), found => found.Count > 0)).Single();
        await Assert.That(letter.Value).Contains("\"seatNo\":2,");
        await Assert.That(letter.Headers["x-exception"]).Contains("500");
        await Assert.That(letter.Headers["x-consumer-group"]).IsEqualTo("concert-booking.notifications");
    }

    [Test]
    public async Task Rankings_RedisLost_ComeBackRight()
    {
        await using var rig = await EventRig.StartAsync(Rig, changes: ("Queue__SettleSeconds", "1"));
        var (show, other) = (await rig.Fleet.Catalogue.AddShowAsync(seats: 2), await rig.Fleet.Catalogue.AddShowAsync());
        await rig.SellAsync(show, seats: 2);
        await rig.SellAsync(other, seats: 3);
        await Eventually.TrueAsync(async () => await rig.RankedAsync(show) == 2 && await rig.RankedAsync(other) == 3);
        var before = (await rig.Fleet[0].GetAsync("/v1/rankings/sold-out")).Expect(200).Text;

        await rig.Redis.KillAsync();
        (await rig.Fleet[0].GetAsync("/v1/rankings/sold-out?limit=7")).ExpectProblem(503, "rankings_unavailable");
        await rig.Redis.StartAsync();
        await Eventually.TrueAsync(
            async () => (await rig.Fleet[0].GetAsync("/readyz")).Json.GetProperty("checks").Value("redis") == "up");
        await Eventually.TrueAsync(async () => await rig.RankedAsync(show) == 2 && await rig.RankedAsync(other) == 3);
        await Eventually.TrueAsync(
            async () => (
                await rig.Fleet.NewVisitor().EnterAsync(other.Queue)) is { Status: 201 } entered && entered.Value("status") == "ACTIVE");
        await rig.SellAsync(other, seats: 1, from: 4);

        await Eventually.GetAsync(() => rig.RankedAsync(other), ranked => ranked == 4);
        var reply = (await rig.Fleet[0].GetAsync("/v1/rankings/concerts?limit=1")).Expect(200);
        await Assert.That(reply.Json.GetProperty("items").EnumerateArray().Single().Number("concertId")).IsEqualTo(other.ConcertId);
        await Assert.That((await rig.Fleet[0].GetAsync("/v1/rankings/sold-out")).Expect(200).Text).IsEqualTo(before);
        var etag = reply.Header("ETag") ?? "";
        await Assert.That((await rig.Fleet[0].GetAsync("/v1/rankings/concerts?limit=1", ("If-None-Match", etag))).Status).IsEqualTo(304);
    }

    [Test]
    public async Task Replay_DeadInTheOutbox_IsSent()
    {
        await using var rig = await EventRig.StartAsync(Rig, changes: (KafkaServers.Setting, null));
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        await rig.SellAsync(show, seats: 1);
        await rig.Database.ExecuteAsync("UPDATE outbox SET state = 'DEAD', attempts = 10 WHERE topic = @topic", ("@topic", Payments));

        var counts = (await rig.Fleet.Admin.GetAsync("/v1/admin/events")).Expect(200).Json;
        await Assert.That(counts.GetProperty("outbox").Number("dead")).IsEqualTo(1);
        await Assert.That(counts.GetProperty("outbox").Number("pending")).IsEqualTo(1);
        await Assert.That(counts.GetProperty("deadLetters").ValueKind).IsEqualTo(System.Text.Json.JsonValueKind.Null);
        var verified = await Rig.RunAsync(["verify"], new Dictionary<string, string?>
        {
            [MySqlServers.Setting] = rig.Database.ConnectionString,
            [RedisServers.Setting] = rig.Redis.ConnectionString,
        });
        await Assert.That(verified.Output).Contains("refused for good, to be replayed: 1 of 2");
        await Assert.That(verified.ExitCode).IsEqualTo(0);
        var replayed = (await rig.Fleet.Admin.PostAsync("/v1/admin/events/replay", """{"state":"dead"}""")).Expect(202).Json;
        await Assert.That(replayed.Number("outbox")).IsEqualTo(1);
        await Assert.That(
            (await rig.Fleet.Admin.PostAsync("/v1/admin/events/replay", """{"state":"dead"}"""))
                .Expect(202).Json.Number("outbox")).IsEqualTo(0);
        (await rig.Fleet.Admin.PostAsync("/v1/admin/events/replay", """{"state":"all"}""")).ExpectProblem(400, "invalid_request");
        (await rig.Fleet.NewVisitor().PostAsync("/v1/admin/events/replay", """{"state":"dead"}""")).ExpectProblem(403, "forbidden");

        await rig.Fleet.AddAsync((KafkaServers.Setting, rig.Kafka.ConnectionString));
        await ExpectSalesAsync(rig, 1);
    }

    private static async Task ExpectAsync(EventRig rig, Show show, int seats, int? inAll = null)
    {
        await ExpectSalesAsync(rig, inAll ?? seats);
        await Eventually.GetAsync(() => rig.RankedAsync(show), ranked => ranked == seats);
        await Eventually.TrueAsync(() => rig.Webhook.Taken.Count() >= (inAll ?? seats));
    }

    private static Task<long> ExpectSalesAsync(EventRig rig, int seats) => Eventually.GetAsync(rig.SeatsSoldAsync, sold => sold == seats);
}
