using System.Globalization;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Telemetry;

/// <summary>What <c>/metrics</c> tells, under the names that dashboards and alerts read.</summary>
public sealed class MetricsTests : SharedRigTests
{
    [Test]
    public async Task Metrics_AfterAJourney_HaveTheContractsNames()
    {
        await using var alone = await Rig.StartAloneAsync();
        var show = await alone.Catalogue.AddShowAsync(seats: 2);
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        (await visitor.ChargeAsync(show.Price)).Expect(201);
        var reservation = await visitor.HeldAsync(show);
        (await visitor.HoldAsync(show)).Expect(200);
        var key = Visitor.NewKey();
        var other = await Rig.NewVisitor(alone).AdmittedAsync(show);
        (await other.HoldAsync(show)).ExpectProblem(409, "seat_taken");
        (await visitor.PayAsync(reservation, key)).Expect(201);
        (await visitor.PayAsync(reservation, key)).Expect(201);
        await alone.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats");
        await alone.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats");

        var metrics = await ScrapeAsync(alone);

        await Assert.That(metrics.Value("booking_holds_total", "result=\"held\"")).IsEqualTo(1);
        await Assert.That(metrics.Value("booking_holds_total", "result=\"repeated\"")).IsEqualTo(1);
        await Assert.That(metrics.Value("booking_holds_total", "result=\"seat_taken\"")).IsEqualTo(1);
        await Assert.That(metrics.Value("booking_payments_total", "result=\"paid\"")).IsEqualTo(1);
        await Assert.That(metrics.Value("booking_payments_total", "result=\"repeated\"")).IsEqualTo(1);
        await Assert.That(metrics.Value("booking_cache_requests_total", "cache=\"seats\"", "result=\"miss\"")).IsGreaterThanOrEqualTo(1);
        await Assert.That(metrics.Value("booking_cache_requests_total", "cache=\"seats\"")).IsEqualTo(2);
        await Assert.That(metrics.Value("booking_db_connections")).IsEqualTo(30);
        await Assert.That(metrics.Value("booking_db_connections", "state=\"used\"")).IsLessThan(10); // a sweep may be under way
        await Assert.That(metrics.Value("booking_dependency_up", "dependency=\"mysql\"")).IsEqualTo(1);
        await Assert.That(metrics.Value("booking_dependency_up", "dependency=\"redis\"")).IsEqualTo(1);
        await Assert.That(metrics.Value(
            "http_server_request_duration_seconds_count", "http_route=\"/v1/payments\"", "http_response_status_code=\"201\"")).IsEqualTo(2);
        await Assert.That(metrics.Value("dotnet_process_memory_working_set_bytes")).IsGreaterThan(1_000_000);
        await Assert.That(metrics.Value("booking_memory_limit_bytes")).IsGreaterThan(1_000_000);
        await Assert.That(metrics.Has("booking_outbox_oldest_seconds")).IsTrue();
    }

    /// <summary>The database's gauges are read every few seconds, so that a scrape asks nobody.</summary>
    [Test]
    public async Task Metrics_OfTheDatabase_FollowIt()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?>
        {
            ["Roles"] = "api",
            ["ConnectionStrings__Kafka"] = null,
        });
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var reservation = await visitor.HeldAsync(show);
        await alone.Database.LetHoldPassAsync(reservation);

        var metrics = await Eventually.GetAsync(
            () => ScrapeAsync(alone), metrics => metrics.Value("booking_holds_overdue") == 1);

        await Eventually.GetAsync(
            () => ScrapeAsync(alone),
            metrics => metrics.Value("booking_seats_left", $"schedule=\"{show.ScheduleId}\"") == show.SeatCount - 1);
        await Assert.That(metrics.Value("booking_outbox_pending")).IsEqualTo(1);
        await Assert.That(metrics.Value("booking_dependency_up", "dependency=\"kafka\"")).IsEqualTo(0);
        await Eventually.GetAsync(
            () => ScrapeAsync(alone), metrics => metrics.Value("booking_outbox_oldest_seconds") >= 5);
    }

    /// <summary>No series would say nothing of whether nobody is there or nobody counts.</summary>
    [Test]
    public async Task Metrics_EmptyQueue_HasGaugesOf0()
    {
        await using var alone = await Rig.StartAloneAsync();
        var queue = $"queue=\"{await alone.Catalogue.AddQueueAsync()}\"";

        var metrics = await Eventually.GetAsync(
            () => ScrapeAsync(alone), metrics => metrics.Text.Contains(queue, StringComparison.Ordinal));

        foreach (var name in (string[])["booking_queue_waiting", "booking_queue_active"])
        {
            await Assert.That(
                metrics.Text.Split('\n').Any(
                    line => line.StartsWith($"{name}{{", StringComparison.Ordinal) && line.Contains(queue, StringComparison.Ordinal)
                        && line.Contains("} 0", StringComparison.Ordinal))).IsTrue().Because(name);
        }
    }

    internal static async Task<Scrape> ScrapeAsync(Instance instance)
    {
        var reply = await instance.Management.GetAsync("/metrics");
        await Assert.That(reply.Status).IsEqualTo(200);
        await Assert.That(reply.ContentType).IsEqualTo("text/plain");
        return new Scrape(reply.Text);
    }

    /// <summary>The text format, line by line.</summary>
    internal sealed record Scrape(string Text)
    {
        /// <summary>The sum of the series of that name with those labels.</summary>
        public double Value(string name, params string[] labels) => Lines(name)
            .Where(line => labels.All(label => line.Contains(label, StringComparison.Ordinal)))
            .Sum(
                line => double.Parse(
                    line[(line.Contains('}') ? line.LastIndexOf('}') + 1 : name.Length)..].Trim().Split(' ')[0],
                    CultureInfo.InvariantCulture));

        public bool Has(string name) => Lines(name).Any();

        private IEnumerable<string> Lines(string name) => Text.Split('\n').Where(line =>
            line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] is '{' or ' ');
    }
}
