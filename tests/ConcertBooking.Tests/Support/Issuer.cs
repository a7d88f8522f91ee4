using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>A key pair of an issuer, with the name under which it is published.</summary>
public sealed class IssuerKey(string id, AsymmetricAlgorithm key) : IDisposable
{
    public string Id { get; } = id;

    public static IssuerKey Rsa(string id) => new(id, RSA.Create(2048));

    public static IssuerKey Ec(string id) => new(id, ECDsa.Create(ECCurve.NamedCurves.nistP256));

    public string Algorithm => key is RSA ? "RS256" : "ES256";

    public string PublicPem => key.ExportSubjectPublicKeyInfoPem();

    /// <summary>As the issuer's key set shows it.</summary>
    public string Jwk()
    {
        if (key is RSA rsa)
        {
            var numbers = rsa.ExportParameters(false);
            var (n, e) = (Text(numbers.Modulus!), Text(numbers.Exponent!));
            return $$"""{"kty":"RSA","use":"sig","alg":"RS256","kid":"{{Id}}","n":"{{n}}","e":"{{e}}"}""";
        }
        var point = ((ECDsa)key).ExportParameters(false).Q;
        var (x, y) = (Text(point.X!), Text(point.Y!));
        return $$"""{"kty":"EC","use":"sig","alg":"ES256","kid":"{{Id}}","crv":"P-256","x":"{{x}}","y":"{{y}}"}""";
    }

    public string Sign(string claims, string? header = null)
    {
        var signed = $"{Text(header ?? $$"""{"alg":"{{Algorithm}}","typ":"JWT","kid":"{{Id}}"}""")}.{Text(claims)}";
        var bytes = Encoding.ASCII.GetBytes(signed);
        var signature = key is RSA rsa
            ? rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : ((ECDsa)key).SignData(bytes, HashAlgorithmName.SHA256);
        return $"{signed}.{Text(signature)}";
    }

    public void Dispose() => key.Dispose();

    private static string Text(byte[] bytes) => Base64Url.EncodeToString(bytes);

    private static string Text(string text) => Text(Encoding.UTF8.GetBytes(text));
}

/// <summary>A small OpenID Connect issuer: its document and its keys, which a test may exchange.</summary>
public sealed class Issuer : IAsyncDisposable
{
    private readonly HttpReceiver _receiver;
    private readonly List<HttpListenerContext> _unanswered = [];
    private volatile bool _silent;
    private int _asked;

    public Issuer(params IssuerKey[] keys)
    {
        Keys = keys;
        Address = $"http://127.0.0.1:{Ports.Take()}";
        _receiver = new HttpReceiver($"{Address}/", AnswerAsync);
    }

    public string Address { get; }

    public IReadOnlyList<IssuerKey> Keys { get; set; }

    /// <summary>While set, connections are accepted and requests read, and nothing is ever answered to those.</summary>
    public bool Silent
    {
        get => _silent;
        set => _silent = value;
    }

    /// <summary>How often the keys were fetched.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>
    /// What a service that believes this issuer is started with. Development, because elsewhere the issuer must speak TLS.
    /// </summary>
    public Dictionary<string, string?> Settings => new()
    {
        ["ASPNETCORE_ENVIRONMENT"] = "Development",
        ["Auth__SigningKey"] = null,
        ["Auth__Authority"] = Address,
        ["Auth__Audience"] = "booking",
    };

    /// <summary>Starts one that has the keys: a slow machine may take longer for the first fetch than a request waits.</summary>
    public async Task<Instance> StartServiceAsync(Rig rig, params (string Name, string? Value)[] changes)
    {
        var settings = Settings;
        foreach (var (name, value) in changes)
        {
            settings[name] = value;
        }

        var service = await rig.StartAsync(settings);
        if (!Silent)
        {
            await ExpectUpAsync(service, 1);
        }

        return service;
    }

    /// <summary>Awaits what the service's metric says of this issuer.</summary>
    public static async Task ExpectUpAsync(Instance service, int value) => await Eventually.GetAsync(
        async () => (await service.Management.GetAsync("/metrics")).Text,
        metrics => metrics.Split('\n').Any(line => line.StartsWith("booking_dependency_up{", StringComparison.Ordinal)
            && line.Contains("dependency=\"issuer\"", StringComparison.Ordinal) && line.Contains($"}} {value}", StringComparison.Ordinal)));

    /// <summary>Claims of a good token.</summary>
    /// <param name="issuer">Another than this one.</param>
    /// <param name="audience">Another than the service's.</param>
    /// <param name="more">Further members, beginning with a comma.</param>
    /// <param name="subject">As in JSON between the quotes; null for a number that no other test has.</param>
    public string Claims(string? issuer = null, string audience = "booking", string more = "", string? subject = null)
    {
        var (sub, iss, exp) = (subject ?? $"{UserIds.Next()}", issuer ?? Address, AccessTokens.InSeconds(60));
        return $$"""{"sub":"{{sub}}","iss":"{{iss}}","aud":"{{audience}}","exp":{{exp}}{{more}}}""";
    }

    public ValueTask DisposeAsync() => _receiver.DisposeAsync();

    private async Task AnswerAsync(HttpListenerContext context)
    {
        if (_silent)
        {
            _unanswered.Add(context);
            return;
        }

        var keys = context.Request.Url!.AbsolutePath == "/keys";
        if (keys)
        {
            Interlocked.Increment(ref _asked);
        }

        context.Response.ContentType = "application/json";
        const string Algorithms = """["RS256","ES256"]""";
        await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(keys
            ? $$"""{"keys":[{{string.Join(",", Keys.Select(key => key.Jwk()))}}]}"""
            : $$"""{"issuer":"{{Address}}","jwks_uri":"{{Address}}/keys","id_token_signing_alg_values_supported":{{Algorithms}}}"""));
        context.Response.Close();
    }
}
