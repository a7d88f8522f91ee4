using ConcertBooking.Servers;
using ConcertBooking.Tests.Hosting;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>TLS and SASL to Kafka, of the producer, the consumers and whoever only asks.</summary>
[ParallelLimiter<ThreeAtOnce>]
public sealed class KafkaSecurityTests : SharedRigTests
{
    private const string User = "booking";
    private const string Password = "tell-nobody-of-this";
    /// <summary>An event goes out by the producer and has its effect by every consumer; the lag is asked by a client of its own.</summary>
    [Test]
    [Arguments("SSL")]
    [Arguments("sasl_ssl")]
    public async Task Events_OverTls_HaveTheirEffects(string protocol)
    {
        using var certificates = new TestCertificates();
        await using var kafka = new MockKafka();
        using var certificate = certificates.Server();
        await using var tls = new TlsKafka(kafka, certificate, IsSasl(protocol) ? User : null, Password);
        await using var rig = await EventRig.StartOnAsync(kafka, Rig, 1, Settings(tls, protocol, certificates.Path("ca.pem"), Password));
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: 2);

        await rig.SellAsync(show, seats: 2);

        await rig.ExpectEffectsOnceAsync(show, payments: 2);
        await rig.ExpectNoLagAsync();
        await Assert.That((await rig.Fleet[0].GetAsync("/readyz")).Text).Contains("\"kafka\":\"up\"");
        await Assert.That(tls.Served).IsGreaterThan(3); // the producer and three groups at least
        await Assert.That(tls.Refused).IsEqualTo(0);
    }

    [Test]
    [Arguments("SSL", "other.pem", Password)]
    [Arguments("SASL_SSL", "ca.pem", Password + "!")]
    [Arguments(null, null, null)]
    public async Task Broker_NotBelievedOrNotBelieving_LoggedAndDown(string? protocol, string? ca, string? password)
    {
        using var certificates = new TestCertificates();
        await using var kafka = new MockKafka();
        using var certificate = certificates.Server();
        await using var tls = new TlsKafka(kafka, certificate, IsSasl(protocol) ? User : null, Password);
        await using var fleet = await Fleet.StartAsync(
            Rig, 1, Settings(tls, protocol, ca is null ? null : certificates.Path(ca), password));

        await ExpectDownAsync(fleet);

        await Assert.That(tls.Served).IsEqualTo(0);
        await Assert.That(tls.Refused > 0).IsEqualTo(IsSasl(protocol));
        await Assert.That(Lines(fleet, Password)).IsEmpty();
    }

    /// <summary>Connections are accepted and nothing is ever said, or there is no such name.</summary>
    [Test]
    [Arguments("silent")]
    [Arguments("kafka.invalid:9092")]
    public async Task Brokers_OutOfReachFromTheStart_LoggedAndDown(string brokers)
    {
        using var silent = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        await using var fleet = await Fleet.StartAsync(
            Rig, 1, (KafkaServers.Setting, brokers == "silent" ? $"{silent.LocalEndpoint}" : brokers));

        await ExpectDownAsync(fleet);
    }

    [Test]
    [Arguments("Kafka__SecurityProtocol", "TLS")]
    [Arguments("Kafka__SecurityProtocol", "SASL_SSL", "Kafka__SecurityProtocol", "SSL")] // a mechanism where there is no SASL
    [Arguments(
        "Kafka__SecurityProtocol", "PLAINTEXT", "Kafka__SaslMechanism", null, "Kafka__Username", null,
        "Kafka__Password", null, "Kafka__CaLocation", "/ca.pem")]
    [Arguments("Kafka__SaslMechanism", null)]
    [Arguments("Kafka__SaslMechanism", "GSSAPI")]
    [Arguments("Kafka__Username", null)]
    [Arguments("Kafka__Password", null)]
    [Arguments("Kafka__CaLocation", "/nowhere/ca.pem")]
    [Arguments("Kafka__CaLocation", "/dev/null")]
    public async Task Start_SettingMissingOrMalformed_StopsNamingIt(params string?[] changes)
    {
        Dictionary<string, string?> settings = new()
        {
            ["Kafka__SecurityProtocol"] = "SASL_SSL",
            ["Kafka__SaslMechanism"] = "SCRAM-SHA-512",
            ["Kafka__Username"] = User,
            ["Kafka__Password"] = Password,
        };
        foreach (var change in changes.Chunk(2))
        {
            settings[change[0]!] = change[1];
        }

        await ProgramTests.ExpectOneLineAsync(await Rig.RunAsync([], ProgramTests.OnFreePorts(settings)), changes[0]!);
    }

    private static (string Name, string? Value)[] Settings(TlsKafka kafka, string? protocol, string? ca, string? password) =>
    [
        (KafkaServers.Setting, kafka.ConnectionString),
        ("Kafka__SecurityProtocol", protocol),
        ("Kafka__CaLocation", ca),
        .. IsSasl(protocol) ? [("Kafka__SaslMechanism", "PLAIN"), ("Kafka__Username", User),
            ("Kafka__Password", password)] : Array.Empty<(string, string?)>(),
    ];

    private static bool IsSasl(string? protocol) => protocol?.StartsWith("SASL", StringComparison.OrdinalIgnoreCase) == true;

    private static async Task ExpectDownAsync(Fleet fleet)
    {
        await OutageTable.ExpectAsync("Kafka gone", fleet.Members[0].Instance);
        await Eventually.TrueAsync(() => Lines(fleet, "Kafka is down").Any());
    }

    private static IEnumerable<string> Lines(Fleet fleet, string text) =>
        fleet.Members[0].Instance.Process.Output.Where(line => line.Contains(text, StringComparison.Ordinal));
}
