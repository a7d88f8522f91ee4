using System.Net;
using System.Net.Sockets;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Deploy;

/// <summary>What nginx says by itself: problems of the service's shape, while the service's own pass untouched.</summary>
[Category("Long"), Explicit]
public sealed class NginxTests : SharedRigTests
{
    private const string Trace = "0123456789abcdef0123456789abcdef";

    [Test]
    public async Task Request_NginxRefuses_IsAProblem()
    {
        await using var nginx = await Nginx.StartAsync(Rig.A.Api, Rig.B.Api);
        var (path, header) = (new string('a', 9_000), $"X: {new string('a', 7_000)}\r\n");

        await ExpectAsync(nginx, "POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n", 413, "body_too_large");
        await ExpectAsync(nginx, "POST /v1/admin/halls HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413, "body_too_large");
        await ExpectAsync(nginx, "GET /livez HTTP/1.1\r\n\r\n", 400, "invalid_request");
        await ExpectAsync(nginx, "nonsense\r\n\r\n", 400, "invalid_request");
        await ExpectAsync(nginx, $"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri_too_long");
        await ExpectAsync(nginx, $"GET /livez HTTP/1.1\r\nHost: a\r\nX: {path}\r\n\r\n", 431, "headers_too_large");
        await ExpectAsync(nginx, $"GET /livez HTTP/1.1\r\nHost: a\r\n{header}{header}{header}\r\n", 431, "headers_too_large");
        await ExpectAsync(nginx, "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405, "method_not_allowed");
        await ExpectAsync(
            nginx, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: zip\r\n\r\n", 501, "not_implemented");
        (await nginx.Api.GetAsync("/.problem")).ExpectProblem(404, "not_found");
    }

    [Test]
    public async Task Answer_OfTheService_PassesUntouched()
    {
        await using var nginx = await Nginx.StartAsync(Rig.A.Api, Rig.B.Api);
        await using var without = await Rig.StartAsync(
            new Dictionary<string, string?> { [RedisServers.Setting] = $"127.0.0.1:{Ports.Take()}" });
        await using var beforeIt = await Nginx.StartAsync(without.Api, without.Api);

        (await nginx.Api.GetAsync("/v1/concerts/999999999/schedules")).ExpectProblem(404, "concert_not_found");
        (await nginx.Api.GetAsync("/v1/points")).ExpectProblem(401, "unauthorized");
        (await nginx.Api.SendAsync(HttpMethod.Post, "/v1/admin/halls", new string(' ', 1024 * 1024))).ExpectProblem(401, "unauthorized");
        (await nginx.Api.GetAsync("/v1/concerts?limit=x")).ExpectProblem(400, "invalid_request");
        (await nginx.Api.SendAsync(HttpMethod.Put, "/v1/concerts", "{}")).ExpectProblem(405, "method_not_allowed");
        await Assert.That((await nginx.Api.GetAsync("/v1/points", ("traceparent", $"00-{Trace}-0123456789abcdef-01"))).Value("traceId"))
            .IsEqualTo(Trace);
        var visitor = Rig.NewVisitor();
        (await beforeIt.Api.SendAsync(HttpMethod.Post, "/v1/queue/tokens", "{}", ("Authorization", $"Bearer {visitor.AccessToken}")))
            .ExpectProblem(503, "queue_unavailable").ExpectRetryAfter();
    }

    [Test]
    public async Task Instances_Away_Is502WithRetryAfterAndLogged()
    {
        static Api Nowhere() => new(new Uri($"http://127.0.0.1:{Ports.Take()}"));
        await using var nginx = await Nginx.StartAsync(Nowhere(), Nowhere());

        foreach (var (method, path) in ((HttpMethod, string)[])[
            (HttpMethod.Get, "/v1/concerts"), (HttpMethod.Post, "/v1/payments"), (HttpMethod.Post, "/v1/admin/concerts"),
            (HttpMethod.Get, "/v1/queue/tokens/current/events")])
        {
            var reply = (await nginx.Api.SendAsync(method, path, method == HttpMethod.Post ? "{}" : null))
                .ExpectProblem(502, "bad_gateway").ExpectRetryAfter();
            await Eventually.TrueAsync(() => nginx.Failures.Contains(reply.Value("traceId"), StringComparison.Ordinal));
        }
    }

    [Test]
    public async Task Instances_Silent_Is504WithRetryAfterAndTheClientsTrace()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var api = new Api(new Uri($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}"));
        await using var nginx = await Nginx.StartAsync(api, api, ("proxy_read_timeout 15s", "proxy_read_timeout 1s"));

        var reply = await nginx.Api.SendAsync(HttpMethod.Post, "/v1/payments", "{}", ("traceparent", $"00-{Trace}-0123456789abcdef-01"));

        reply.ExpectProblem(504, "gateway_timeout").ExpectRetryAfter();
        await Assert.That(reply.Value("traceId")).IsEqualTo(Trace);
        await Eventually.TrueAsync(() => nginx.Failures.Contains(Trace, StringComparison.Ordinal));
    }

    private static async Task ExpectAsync(Nginx nginx, string request, int status, string code)
    {
        var answer = await RawRequest.SendAsync(nginx.Api, request);
        var parts = answer.Split("\r\n\r\n", 2);
        if (RawRequest.Status(answer) != status || !parts[0].Contains("Content-Type: application/problem+json", StringComparison.Ordinal))
        {
            Assert.Fail($"Expected {status} as application/problem+json but got:\n{answer}");
        }

        var json = System.Text.Json.JsonElement.Parse(parts[1]);
        json.ExpectMembers("type", "title", "status", "detail", "code", "traceId");
        await Assert.That(json.Value("code")).IsEqualTo(code);
        await Assert.That(json.GetProperty("status").GetInt32()).IsEqualTo(status);
        await Assert.That(json.Value("traceId")).IsNotEmpty();
    }
}
