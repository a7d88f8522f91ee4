using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Security;

/// <summary>TLS to MySQL and Redis, verified against a CA of one's own.</summary>
public sealed class TlsTests
{
    [Test]
    public async Task Journey_OverTlsToBothServers_Works_AndAStrangersCertificateIsRefused()
    {
        using var certificates = new TestCertificates();
        var redisPort = Ports.Take();
        await using var rig = new Rig(new ServerOptions { AllowNamed = false, TlsFolder = certificates.Folder, RedisTlsPort = redisPort });
        await rig.InitializeAsync();
        Dictionary<string, string?> Settings(string ca) => new()
        {
            [MySqlServers.Setting] = new MySqlConnectionStringBuilder(rig.Database.ConnectionString)
            {
                SslMode = MySqlSslMode.VerifyCA, // VerifyFull asks for a revocation list too, which a CA of one's own seldom has
            }.ConnectionString,
            [RedisServers.Setting] = $"127.0.0.1:{redisPort},ssl=true",
            ["SSL_CERT_FILE"] = certificates.Path(ca),
        };

        await using var service = await rig.StartAsync(Settings("ca.pem"));
        var show = await rig.Catalogue.AddShowAsync();
        var visitor = await rig.NewVisitor(service).AdmittedAsync(show);
        (await visitor.ChargeAsync(show.Price)).Expect(201);
        (await visitor.PayAsync((await visitor.HoldAsync(show)).Expect(201).Value("reservationId"))).Expect(201);
        await Assert.That((await service.Api.GetAsync("/readyz")).Text).Contains("\"redis\":\"up\"");

        await using var deceived = await rig.StartAsync(Settings("other.pem"), waitFor: "/livez");
        var ready = await Eventually.GetAsync(
            () => deceived.Api.GetAsync("/readyz"),
            reply => reply.Status == 503 && reply.Text.Contains("\"mysql\":\"down\"", StringComparison.Ordinal));
        await Assert.That(ready.Text).Contains("\"redis\":\"down\"");
    }
}
