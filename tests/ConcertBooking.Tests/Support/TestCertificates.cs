using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// A folder with a server's certificate for loopback (<c>server.pem</c>, <c>server.key</c>), the CA that signed it
/// (<c>ca.pem</c>) and a CA that did not (<c>other.pem</c>).
/// </summary>
internal sealed class TestCertificates : IDisposable
{
    public TestCertificates()
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
        File.WriteAllText(Path("ca.pem"), ca.ExportCertificatePem());
        File.WriteAllText(Path("other.pem"), other.ExportCertificatePem());
        File.WriteAllText(Path("server.pem"), server.ExportCertificatePem());
        File.WriteAllText(Path("server.key"), key.ExportRSAPrivateKeyPem());
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("concert-booking-tls-").FullName;

    public string Path(string name) => $"{Folder}/{name}";

    /// <summary>The server's, with its key.</summary>
    public X509Certificate2 Server() => X509Certificate2.CreateFromPemFile(Path("server.pem"), Path("server.key"));

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static X509Certificate2 Authority(string name, DateTimeOffset begin, DateTimeOffset end)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        return request.CreateSelfSigned(begin, end);
    }
}
