using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ConcertBooking.DevHost.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Security;

/// <summary>TLS to MySQL and Redis, verified against a CA of one's own.</summary>
public sealed class TlsTests
{
    [Test]
    public async Task Journey_OverTlsToBothServers_Works_AndAStrangersCertificateIsRefused()
    {
        var folder = Directory.CreateTempSubdirectory("concert-booking-tls-").FullName;
        try
        {
            WriteCertificates(folder);
            var redisPort = Ports.Take();
            await using var rig = new Rig(new ServerOptions { AllowNamed = false, TlsFolder = folder, RedisTlsPort = redisPort });
            await rig.InitializeAsync();
            Dictionary<string, string?> Settings(string ca) => new()
            {
                [MySqlServers.Setting] = new MySqlConnectionStringBuilder(rig.Database.ConnectionString)
                {
                    SslMode = MySqlSslMode.VerifyCA, // VerifyFull asks for a revocation list too, which a CA of one's own seldom has
                }.ConnectionString,
                [RedisServers.Setting] = $"127.0.0.1:{redisPort},ssl=true",
                ["SSL_CERT_FILE"] = $"{folder}/{ca}",
            };

            await using var service = await rig.StartAsync(Settings("ca.pem"));
            var show = await rig.Catalogue.AddShowAsync();
            var visitor = await rig.NewVisitor(service).AdmittedAsync(show);
            (await visitor.ChargeAsync(show.Price)).Expect(201);
            (await visitor.PayAsync((await visitor.HoldAsync(show)).Expect(201).Value("reservationId"))).Expect(201);
            await Assert.That((await service.Api.GetAsync("/readyz")).Text).Contains("\"redis\":\"up\"");

            await using var deceived = await rig.StartAsync(Settings("other.pem"), waitFor: "/livez");
            var ready = await Eventually.GetAsync(
                () => deceived.Api.GetAsync("/readyz"), reply => reply.Status == 503 && reply.Text.Contains("\"mysql\":\"down\"", StringComparison.Ordinal),
                within: TimeSpan.FromSeconds(10));
            await Assert.That(ready.Text).Contains("\"redis\":\"down\"");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void WriteCertificates(string folder)
    {
        var (begin, end) = (TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        using var ca = Authority("CN=ca", begin, end);
        using var other = Authority("CN=other", begin, end);
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var server = request.Create(ca, begin.AddHours(1), end.AddHours(-1), [1, 2, 3, 4]);
        File.WriteAllText($"{folder}/ca.pem", ca.ExportCertificatePem());
        File.WriteAllText($"{folder}/other.pem", other.ExportCertificatePem());
        File.WriteAllText($"{folder}/server.pem", server.ExportCertificatePem());
        File.WriteAllText($"{folder}/server.key", key.ExportRSAPrivateKeyPem());
    }

    private static X509Certificate2 Authority(string name, DateTimeOffset begin, DateTimeOffset end)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        return request.CreateSelfSigned(begin, end);
    }
}
