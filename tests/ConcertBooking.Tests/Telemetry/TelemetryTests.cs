using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Events;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Telemetry;

/// <summary>Traces reach a collector, and logs are JSON that leads to them.</summary>
public sealed class TelemetryTests : SharedRigTests
{
    [Test]
    public async Task Traces_OfAHold_ReachTheCollectorWithRedisAndMySql()
    {
        await using var collector = new Collector();
        await using var alone = await Rig.StartAloneAsync(collector.Settings);
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var trace = RandomNumberGenerator.GetBytes(16);

        (await alone.Api.SendAsync(
            HttpMethod.Post, "/v1/reservations", $$"""{"scheduleId":{{show.ScheduleId}},"seatNo":1}""",
            visitor.InQueue(("traceparent", TraceParent(Convert.ToHexStringLower(trace), "01"))))).Expect(201);

        await Eventually.TrueAsync(
            () => collector.Bodies.Any(body => body.AsSpan().IndexOf(trace) >= 0));
        foreach (var word in (string[])["concert-booking", "MySqlConnector", "redis", "/v1/reservations"])
        {
            await Eventually.TrueAsync(
                () => collector.Bodies.Any(body => body.AsSpan().IndexOf(Encoding.UTF8.GetBytes(word)) >= 0), what: word);
        }
        await Assert.That(collector.Bodies.Any(body => body.AsSpan().IndexOf(Encoding.UTF8.GetBytes(visitor.QueueToken!)) >= 0)).IsFalse();
    }

    /// <summary>One trace from the request over the outbox, where another thread finds the event, to every consumer group.</summary>
    [Test]
    public async Task Traces_OfAPayment_GoThroughMySqlAndKafkaToTheConsumers()
    {
        await using var collector = new Collector();
        await using var rig = await EventRig.StartAsync(
            Rig, changes: [.. collector.Settings.Select(static setting => (setting.Key, setting.Value))]);
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        var visitor = await rig.Fleet.NewVisitorAsync(show, points: show.Price);
        var reservation = await visitor.HeldAsync(show);
        var trace = NewTraceId();

        (await visitor.PayAsync(reservation, headers: [("traceparent", TraceParent(trace, "01"))])).Expect(201);

        await rig.ExpectEffectsOnceAsync(show, payments: 1);
        var spans = await Eventually.GetAsync(
            () => Task.FromResult(collector.Spans(trace)),
            static spans => spans.Count(
                static span => span.Kind is SpanKind.Consumer) >= 3 && spans.Any(static span => span.Kind is SpanKind.Server)
                    && spans.Any(static span => span.Kind is SpanKind.Producer));
        var request = spans.Single(static span => span.Kind is SpanKind.Server);
        var send = spans.Single(static span => span.Kind is SpanKind.Producer);
        var processed = spans.Where(static span => span.Kind is SpanKind.Consumer).ToList();
        await Assert.That(spans.Any(span => span.Kind is SpanKind.Client && span.ParentId == request.Id)).IsTrue();
        await Assert.That(send.Name).IsEqualTo("send concert-booking.payments");
        await Assert.That(send.ParentId).IsEqualTo(request.Id);
        await Assert.That(processed.Select(static span => (span.Name, span.ParentId)).Distinct())
            .IsEquivalentTo([("process concert-booking.payments", send.Id)]);
        await Assert.That(spans.Any(span => span.Kind is SpanKind.Client && processed.Any(parent => parent.Id == span.ParentId))).IsTrue();

        var published = (await rig.PublishedAsync("concert-booking.payments")).Single();
        await Assert.That(published.Headers["traceparent"]).IsEqualTo($"00-{trace}-{send.Id}-01");
        await AsyncApiTests.ExpectDescribedAsync(published);
        await Assert.That(rig.Webhook.Taken.Single().Headers.ContainsKey("traceparent")).IsFalse();
    }

    /// <summary>Sampled in the client's eyes; but nobody here collects traces.</summary>
    [Test]
    public async Task Events_WithoutCollector_HaveNoTraceparent()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservation = await visitor.HeldAsync(show);

        (await visitor.PayAsync(reservation, headers: [("traceparent", TraceParent(NewTraceId(), "01"))])).Expect(201);

        var published = await Eventually.GetAsync(
            async () => (await KafkaTopics.ReadAllAsync(Rig.Servers.Kafka.ConnectionString, "concert-booking.payments"))
                .SingleOrDefault(one => one.Key == reservation),
            static published => published is not null);
        await Assert.That(published!.Headers.ContainsKey("traceparent")).IsFalse();
    }

    /// <summary>Not every trace is taken: what the sampler leaves out leaves no parent in the outbox either.</summary>
    [Test]
    public async Task Events_OfAnUnsampledTrace_HaveNoTraceparent()
    {
        await using var collector = new Collector();
        await using var alone = await Rig.StartAloneAsync(
            new Dictionary<string, string?>(collector.Settings) { [KafkaServers.Setting] = null });
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        (await visitor.ChargeAsync(show.Price)).Expect(201);
        var reservation = await visitor.HeldAsync(show);

        (await visitor.PayAsync(reservation, headers: [("traceparent", TraceParent(NewTraceId(), "00"))])).Expect(201);

        await Assert.That(await alone.Database.ColumnAsync<string>(
            "SELECT CONCAT(event_type, ' ', IF(traceparent IS NULL, 'without', 'with')) FROM outbox ORDER BY created_at")).IsEquivalentTo(
            ["booking.held.v1 with", "payment.completed.v2 without"]);
    }

    [Test]
    public async Task Logs_AreJsonLinesWithTheTraceId()
    {
        var redis = Ports.Take();
        await using var instance = await Rig.StartAsync(
            new Dictionary<string, string?> { [MySqlServers.Setting] = $"Server=127.0.0.1;Port={redis};Database=x;User ID=x;Password=x" },
            waitFor: "/livez");
        var trace = NewTraceId();

        (await instance.Api.GetAsync("/v1/concerts", ("traceparent", TraceParent(trace, "00"))))
            .ExpectProblem(503, "database_unavailable");

        await Eventually.TrueAsync(
            () => instance.Process.Output.Any(line => line.Contains(trace, StringComparison.Ordinal)));
        foreach (var line in instance.Process.Output)
        {
            await Assert.That(JsonElement.Parse(line).GetProperty("LogLevel").GetString()).IsNotNull();
        }

        await Assert.That(instance.Process.Output.Count(line => line.Contains(trace, StringComparison.Ordinal))).IsEqualTo(1);
    }

    [Test]
    public async Task LogLevel_Setting_DecidesWhatIsLogged()
    {
        var settings = new Dictionary<string, string?>
        {
            ["Logging__LogLevel__Default"] = "Error",
            [RedisServers.Setting] = $"127.0.0.1:{Ports.Take()}"
        };
        await using var quiet = await Rig.StartAsync(settings);
        settings["Logging__LogLevel__Default"] = "Information";
        await using var usual = await Rig.StartAsync(settings);

        await Eventually.TrueAsync(
            () => usual.Process.Output.Any(line => line.Contains("Redis is down", StringComparison.Ordinal)));
        await Assert.That(quiet.Process.Output.Any(line => line.Contains("Redis is down", StringComparison.Ordinal))).IsFalse();
    }

    private static string NewTraceId() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    private static string TraceParent(string traceId, string flags) =>
        $"00-{traceId}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}-{flags}";
}
