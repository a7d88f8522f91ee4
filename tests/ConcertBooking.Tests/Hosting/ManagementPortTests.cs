using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Hosting;

/// <summary>Which port answers what, however the path is written: routing takes each of these forms for the same endpoint.</summary>
public sealed class ManagementPortTests : SharedRigTests
{
    [Test]
    [Arguments("/metrics")]
    [Arguments("/Metrics")]
    [Arguments("/METRICS")]
    [Arguments("/metrics/")]
    [Arguments("/%4Detrics")]
    [Arguments("/metric%73")]
    [Arguments("/metrics?format=text")]
    [Arguments("/./metrics")]
    [Arguments("/x/../metrics")]
    [Arguments("/%2e/metrics")]
    public async Task Metrics_AnySpelling_AreOnTheManagementPortAlone(string path)
    {
        foreach (var method in (string[])["GET", "HEAD", "POST", "OPTIONS"])
        {
            await Assert.That(await StatusAsync(Rig.A.Api, path, method)).IsEqualTo(404).Because($"{method} {path}");
            await Assert.That(await StatusAsync(Rig.A.Api, path, method, host: $"localhost:{Rig.A.Management.Address.Port}"))
                .IsEqualTo(404);
        }
        await Assert.That(await StatusAsync(Rig.A.Management, path)).IsEqualTo(200);
    }

    [Test]
    [Arguments("/v1/concerts")]
    [Arguments("/V1/Concerts/")]
    [Arguments("/%761/concerts")]
    [Arguments("/v1/points")]
    [Arguments("/openapi/v1.json")]
    [Arguments("/scalar/")]
    [Arguments("/nothing")]
    public async Task Api_AnySpelling_IsNotOnTheManagementPort(string path)
    {
        foreach (var method in (string[])["GET", "HEAD", "PATCH"])
        {
            await Assert.That(await StatusAsync(Rig.A.Management, path, method, host: $"localhost:{Rig.A.Api.Address.Port}"))
                .IsEqualTo(404).Because($"{method} {path}");
        }
    }

    [Test]
    [Arguments("/livez")]
    [Arguments("/Livez/")]
    [Arguments("/%6Civez")]
    [Arguments("/READYZ")]
    [Arguments("/readyz/")]
    public async Task Health_AnySpelling_IsOnBothPorts(string path)
    {
        foreach (var api in (Api[])[Rig.A.Api, Rig.A.Management])
        {
            await Assert.That(await StatusAsync(api, path)).IsEqualTo(200);
            var refused = await SendAsync(api, path, "POST");
            await Assert.That(RawRequest.Status(refused)).IsEqualTo(405);
            await Assert.That(refused).Contains("Allow: GET, HEAD\r\n");
        }
    }

    /// <summary>An orchestrator whose address is over the limit must not take an instance for dead, however it writes the path.</summary>
    [Test]
    public async Task Health_AddressOverItsLimit_StillAnswers()
    {
        await using var instance = await Rig.StartAsync(new Dictionary<string, string?> { ["RateLimits__PerAddress"] = "1" });
        await Eventually.TrueAsync(async () => await StatusAsync(instance.Api, "/v1/concerts") == 429);

        foreach (var path in (string[])["/livez", "/Livez", "/livez/", "/%6Civez", "/readyz", "/Readyz/"])
        {
            await Assert.That(await StatusAsync(instance.Api, path)).IsEqualTo(200).Because(path);
        }

        await Assert.That(await StatusAsync(instance.Management, "/metrics")).IsEqualTo(200);
    }

    /// <summary>The page to be read needs scripts under whichever spelling it was found, and nothing else does.</summary>
    [Test]
    [Arguments("/scalar/", true)]
    [Arguments("/Scalar/", true)]
    [Arguments("/%73calar/", true)]
    [Arguments("/scalar/nothing/at/all", false)]
    [Arguments("/scalarx", false)]
    public async Task Scalar_AnySpelling_MayRunScripts(string path, bool scripts)
    {
        var policy = (await SendAsync(Rig.A.Api, path)).Split("\r\n")
            .Single(static line => line.StartsWith("Content-Security-Policy:", StringComparison.Ordinal));

        await Assert.That(policy.Contains("script-src", StringComparison.Ordinal)).IsEqualTo(scripts);
    }

    private static async Task<int> StatusAsync(Api api, string path, string method = "GET", string host = "test") =>
        RawRequest.Status(await SendAsync(api, path, method, host));

    private static Task<string> SendAsync(Api api, string path, string method = "GET", string host = "test") =>
        RawRequest.SendAsync(api, $"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}
