using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>Security headers of every answer, and CORS.</summary>
public sealed class SecurityHeaderTests : SharedRigTests
{
    [Test]
    [Arguments("/livez")]
    [Arguments("/v1/concerts")]
    [Arguments("/v1/points")]
    [Arguments("/nothing")]
    [Arguments("/")]
    [Arguments("/openapi/v1.json")]
    [Arguments("/v1/concerts?limit=x")]
    public async Task Answer_Any_CarriesTheSecurityHeaders(string path)
    {
        foreach (var api in (Api[])[Rig.A.Api, Rig.A.Management])
        {
            var reply = await api.GetAsync(path);

            await Assert.That(reply.Header("X-Content-Type-Options")).IsEqualTo("nosniff");
            await Assert.That(reply.Header("X-Frame-Options")).IsEqualTo("DENY");
            await Assert.That(reply.Header("Referrer-Policy")).IsEqualTo("no-referrer");
            await Assert.That(reply.Header("Cross-Origin-Resource-Policy")).IsEqualTo("same-origin");
            await Assert.That(reply.Header("Content-Security-Policy"))
                .IsNotNull().And.StartsWith("default-src 'none';").And.Contains("frame-ancestors 'none'");
            await Assert.That(reply.Header("Server")).IsNull();
            await Assert.That(reply.Header("Access-Control-Allow-Origin")).IsNull();
        }
    }

    /// <summary>Each response has a nonce of its own; nothing else runs, and nothing is loaded from or sent to another host.</summary>
    [Test]
    public async Task Scalar_RunsOnlyItsOwnScripts_AndKnowsNoOtherHost()
    {
        var nonces = new HashSet<string>();
        for (var request = 0; request < 3; request++)
        {
            var page = await Rig.A.Api.GetAsync("/scalar/");
            await Assert.That(page.Status).IsEqualTo(200);
            await Assert.That(page.Header("Cache-Control")).IsEqualTo("no-store");
            var policy = page.Header("Content-Security-Policy")!.Split("; ").ToDictionary(
                static directive => directive.Split(' ')[0], static directive => directive.Split(' ', 2)[1]);
            var nonce = Regex.Match(policy["script-src"], "^'nonce-([0-9a-f]{32})'$").Groups[1].Value;
            await Assert.That(nonces.Add(nonce) && nonce.Length > 0).IsTrue().Because(policy["script-src"]);
            await Assert.That(policy["default-src"]).IsEqualTo("'none'");
            await Assert.That(policy["connect-src"]).IsEqualTo("'self'");
            await Assert.That(policy["img-src"]).IsEqualTo("'self' data:");
            await Assert.That(policy.ContainsKey("script-src-elem") || policy.ContainsKey("script-src-attr")).IsFalse();

            var scripts = Regex.Matches(page.Text, "<script[^>]*>");
            await Assert.That(scripts).IsNotEmpty();
            await Assert.That(scripts.Where(script => !script.Value.Contains($"nonce=\"{nonce}\"", StringComparison.Ordinal))).IsEmpty();
            await Assert.That(Regex.Match(page.Text, """https?:|["'(=]//|cdn""").Value).IsEqualTo("");
        }
    }

    [Test]
    [Arguments("\"telemetry\":false")]
    [Arguments("\"agent\":{\"disabled\":true}")]
    [Arguments("\"mcp\":{\"disabled\":true}")]
    [Arguments("\"showDeveloperTools\":\"never\"")]
    [Arguments("\"hideClientButton\":true")]
    [Arguments("\"withDefaultFonts\":false")]
    public async Task Scalar_HostedServices_AreOff(string setting)
    {
        var page = await Rig.A.Api.GetAsync("/scalar/");

        await Assert.That(page.Text).Contains(setting).And.DoesNotContain("proxy");
    }

    [Test]
    public async Task Cors_ByDefault_AllowsNoOrigin()
    {
        var preflight = await Rig.A.Api.SendAsync(
            HttpMethod.Options, "/v1/points", null, ("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET"));

        await Assert.That(preflight.Status).IsEqualTo(405);
        await Assert.That(preflight.Header("Access-Control-Allow-Origin")).IsNull();
    }

    [Test]
    public async Task Cors_Configured_AllowsThoseOrigins()
    {
        await using var service = await Rig.StartAsync(
            new Dictionary<string, string?> { ["Cors__AllowedOrigins"] = "https://shop.example, http://localhost:5173" });
        Task<Reply> Preflight(string origin) => service.Api.SendAsync(
            HttpMethod.Options, "/v1/reservations", null,
            ("Origin", origin), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "queue-token,content-type"));

        var good = await Preflight("https://shop.example");
        await Assert.That(good.Status).IsEqualTo(204);
        await Assert.That(good.Header("Access-Control-Allow-Origin")).IsEqualTo("https://shop.example");
        await Assert.That((await Preflight("http://localhost:5173")).Header("Access-Control-Allow-Origin"))
            .IsEqualTo("http://localhost:5173");
        foreach (var stranger in (string[])["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"])
        {
            await Assert.That((await Preflight(stranger)).Header("Access-Control-Allow-Origin")).IsNull();
        }

        // A refusal is readable too, and states when to retry.
        var refused = await service.Api.GetAsync("/v1/points", ("Origin", "https://shop.example"));
        refused.ExpectProblem(401, "unauthorized");
        await Assert.That(refused.Header("Access-Control-Allow-Origin")).IsEqualTo("https://shop.example");
        await Assert.That(refused.Header("Access-Control-Expose-Headers")).IsNotNull().And.Contains("Retry-After");
    }

    /// <summary>A cache must not give one page's answer to another, nor one that nobody's page asked for to a page.</summary>
    [Test]
    [Arguments("https://shop.example")]
    [Arguments("https://shop.example, http://localhost:5173")]
    public async Task Cors_Configured_EveryAnswerVariesByOrigin(string origins)
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?> { ["Cors__AllowedOrigins"] = origins });
        var show = await Rig.Catalogue.AddShowAsync(seats: 200);
        (string, string)[][] kinds =
            [[], [("Accept-Encoding", "br")], [("Accept-Encoding", "gzip")], [("If-None-Match", "*")], [("Origin", "https://shop.example")],
                [("Origin", "https://evil.example"), ("Accept-Encoding", "br")]];
        foreach (var path in (string[])
            [$"/v1/schedules/{show.ScheduleId}/seats", $"/v1/concerts/{show.ConcertId}/schedules", "/v1/concerts", "/v1/rankings/concerts",
                "/v1/rankings/sold-out", "/v1/schedules/0/seats"])
        {
            foreach (var headers in kinds.Concat(kinds)) // made, and then from memory
            {
                foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Head])
                {
                    var reply = await service.Api.SendAsync(method, path, null, headers);
                    var vary = reply.Header("Vary")?.Split(',', StringSplitOptions.TrimEntries) ?? [];
                    await Assert.That(vary.Count(static name => name == "Origin")).IsEqualTo(1).Because(reply.ToString());
                    if (reply.Status < 400)
                    {
                        await Assert.That(vary).Contains("Accept-Encoding").Because(reply.ToString());
                    }
                }
            }
        }
        await Assert.That((await service.Api.GetAsync("/v1/points")).Header("Vary")).IsEqualTo("Origin");
        await Assert.That((await Rig.A.Api.GetAsync("/v1/concerts")).Header("Vary")).IsEqualTo("Accept-Encoding");
    }
}
