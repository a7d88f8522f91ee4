using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ConcertBooking.DevHost.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Operations;

/// <summary>Traces reach a collector, and logs are JSON that leads to them.</summary>
public sealed class TelemetryTests : SharedRigTests
{
    [Test]
    public async Task Traces_OfAHold_ReachTheCollectorWithRedisAndMySql()
    {
        await using var collector = new Collector();
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
        });
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var trace = RandomNumberGenerator.GetBytes(16);

        (await alone.Api.SendAsync(
            HttpMethod.Post, "/v1/reservations", $$"""{"scheduleId":{{show.ScheduleId}},"seatNo":1}""",
            visitor.InQueue(("traceparent", $"00-{Convert.ToHexStringLower(trace)}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}-01")))).Expect(201);

        await Eventually.TrueAsync(
            () => collector.Bodies.Any(body => body.AsSpan().IndexOf(trace) >= 0), within: TimeSpan.FromSeconds(10));
        foreach (var word in (string[])["concert-booking", "MySqlConnector", "redis", "/v1/reservations"])
        {
            await Eventually.TrueAsync(
                () => collector.Bodies.Any(body => body.AsSpan().IndexOf(Encoding.UTF8.GetBytes(word)) >= 0), within: TimeSpan.FromSeconds(10), what: word);
        }
        await Assert.That(collector.Bodies.Any(body => body.AsSpan().IndexOf(Encoding.UTF8.GetBytes(visitor.QueueToken!)) >= 0)).IsFalse();
    }

    [Test]
    public async Task Logs_AreJsonLinesWithTheTraceId()
    {
        var redis = Ports.Take();
        await using var instance = await Rig.StartAsync(
            new Dictionary<string, string?> { [MySqlServers.Setting] = $"Server=127.0.0.1;Port={redis};Database=x;User ID=x;Password=x" }, waitFor: "/livez");
        var trace = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

        (await instance.Api.GetAsync("/v1/concerts", ("traceparent", $"00-{trace}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}-00")))
            .ExpectProblem(503, "database_unavailable");

        await Eventually.TrueAsync(
            () => instance.Process.Output.Any(line => line.Contains(trace, StringComparison.Ordinal)), within: TimeSpan.FromSeconds(5));
        foreach (var line in instance.Process.Output)
            await Assert.That(JsonElement.Parse(line).GetProperty("LogLevel").GetString()).IsNotNull();
        await Assert.That(instance.Process.Output.Count(line => line.Contains(trace, StringComparison.Ordinal))).IsEqualTo(1);
    }

    [Test]
    public async Task LogLevel_Setting_DecidesWhatIsLogged()
    {
        var settings = new Dictionary<string, string?> { ["Logging__LogLevel__Default"] = "Error", [RedisServers.Setting] = $"127.0.0.1:{Ports.Take()}" };
        await using var quiet = await Rig.StartAsync(settings);
        settings["Logging__LogLevel__Default"] = "Information";
        await using var usual = await Rig.StartAsync(settings);

        await Eventually.TrueAsync(
            () => usual.Process.Output.Any(line => line.Contains("Redis is down", StringComparison.Ordinal)), within: TimeSpan.FromSeconds(10));
        await Assert.That(quiet.Process.Output.Any(line => line.Contains("Redis is down", StringComparison.Ordinal))).IsFalse();
    }

    /// <summary>Takes OTLP over HTTP and keeps what comes, undecoded: ids and names stand in it as they are.</summary>
    private sealed class Collector : IAsyncDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly List<byte[]> _bodies = [];
        private readonly Task _serving;

        public Collector()
        {
            Address = $"http://127.0.0.1:{Ports.Take()}/";
            _listener.Prefixes.Add(Address);
            _listener.Start();
            _serving = ServeAsync();
        }

        public string Address { get; }

        public IReadOnlyList<byte[]> Bodies
        {
            get
            {
                lock (_bodies)
                    return [.. _bodies];
            }
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Close();
            await _serving;
        }

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    var context = await _listener.GetContextAsync();
                    using var body = new MemoryStream();
                    await context.Request.InputStream.CopyToAsync(body);
                    lock (_bodies)
                        _bodies.Add(body.ToArray());
                    context.Response.Close();
                }
            }
            catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException)
            {
                // Disposed.
            }
        }
    }
}
