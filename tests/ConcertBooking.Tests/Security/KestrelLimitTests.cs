using System.Diagnostics;
using System.Net.Sockets;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>What Kestrel refuses: requests that are not HTTP, too large or too slow, and connections beyond the limit.</summary>
public sealed class KestrelLimitTests : SharedRigTests
{
    [Test]
    [Arguments("GET / HTTP/1.1\r\n\r\n", 400)]
    [Arguments("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400)]
    [Arguments("GET /livez HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400)]
    [Arguments("GET /livez HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400)]
    [Arguments("GET /livez HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n", 400)]
    [Arguments("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400)]
    [Arguments("GET livez HTTP/1.1\r\nHost: a\r\n\r\n", 405)]
    [Arguments("GET /livez HTTP/9.9\r\nHost: a\r\n\r\n", 505)]
    [Arguments("nonsense\r\n\r\n", 400)]
    [Arguments("POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400)]
    [Arguments("POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400)]
    [Arguments("POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400)]
    [Arguments("POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400)]
    public async Task Request_ThatIsNotHttp_IsRefused(string request, int status)
    {
        var answer = await RawRequest.SendAsync(Rig.A.Api, request);

        await Assert.That(RawRequest.Status(answer)).IsEqualTo(status).Because(answer);
        await Assert.That(answer).DoesNotContain("Kestrel").And.DoesNotContain("   at ");
    }

    /// <summary>The answer is one frame that asks for HTTP/1.1, and the end of the connection.</summary>
    [Test]
    public async Task Request_Http2_IsRefused() =>
        await Assert.That((await RawRequest.SendAsync(Rig.A.Api, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).Length).IsLessThan(100);

    [Test]
    public async Task SingletonHeader_Repeated_IsRefused()
    {
        var visitor = Rig.NewVisitor();
        string Charge(string headers) =>
            "POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
            + $"Content-Length: 12\r\n{headers}\r\n{{\"amount\":1}}";
        var bearer = $"Authorization: Bearer {visitor.AccessToken}\r\n";

        await Assert.That(
            RawRequest.Status(
                await RawRequest.SendAsync(Rig.A.Api, Charge($"{bearer}Idempotency-Key: a\r\nIdempotency-Key: b\r\n")))).IsEqualTo(400);
        await Assert.That(RawRequest.Status(await RawRequest.SendAsync(Rig.A.Api, Charge($"{bearer}{bearer}Idempotency-Key: a\r\n"))))
            .IsEqualTo(401);
        await Assert.That(RawRequest.Status(await RawRequest.SendAsync(Rig.A.Api, Charge($"{bearer}Idempotency-Key: a\u0001b\r\n"))))
            .IsEqualTo(400);
        await Assert.That(
            RawRequest.Status(
                await RawRequest.SendAsync(Rig.A.Api, Charge($"{bearer}Idempotency-Key: {new string('k', 255)}\r\n")))).IsEqualTo(201);
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(1);
    }

    /// <summary>Both lengths at once is how requests are smuggled past a proxy: the chunks count, and the connection ends.</summary>
    [Test]
    public async Task Request_WithTwoKindsOfLength_ClosesTheConnection()
    {
        var answer = await RawRequest.SendAsync(
            Rig.A.Api,
            "POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET "
                + "/livez HTTP/1.1\r\nHost: a\r\n\r\n");

        await Assert.That(RawRequest.Status(answer)).IsEqualTo(401);
        await Assert.That(answer.Split("HTTP/1.1 ").Length - 1).IsEqualTo(1).Because(answer);
    }

    [Test]
    public async Task Headers_TooManyOrTooLarge_Return431()
    {
        const string Start = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
        var many = string.Concat(Enumerable.Range(0, 70).Select(i => $"X-{i}: x\r\n"));
        var eight = $"X-Long: {new string('x', 8 * 1024)}\r\n";

        await Assert.That(RawRequest.Status(await RawRequest.SendAsync(Rig.A.Api, $"{Start}{many}\r\n"))).IsEqualTo(431);
        await Assert.That(RawRequest.Status(await RawRequest.SendAsync(Rig.A.Api, $"{Start}{eight}{eight}{eight}\r\n"))).IsEqualTo(431);
        await Assert.That(RawRequest.Status(await RawRequest.SendAsync(Rig.A.Api, $"{Start}{eight}\r\n"))).IsEqualTo(200);
        await Assert.That(RawRequest.Status(await RawRequest.SendAsync(
            Rig.A.Api, $"GET /{new string('x', 9 * 1024)} HTTP/1.1\r\nHost: a\r\n\r\n"))).IsEqualTo(414);
    }

    [Test]
    public async Task HeadersAndBodies_ThatDoNotCome_AreCutOff()
    {
        var visitor = Rig.NewVisitor();
        var started = Stopwatch.GetTimestamp();

        var answers = await Task.WhenAll(
            RawRequest.SendAsync(Rig.A.Api, "GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: "),
            RawRequest.SendAsync(
                Rig.A.Api,
                $"POST /v1/points/charges HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {visitor.AccessToken}\r\nIdempotency-Key: k\r\n"
                + "Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"amount\""));

        await Assert.That(Stopwatch.GetElapsedTime(started)).IsLessThan(Eventually.Promised(seconds: 10));
        foreach (var answer in answers)
        {
            await Assert.That(RawRequest.Status(answer)).IsEqualTo(408).Because(answer);
        }

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(0);
    }

    [Test]
    public async Task Connections_BeyondTheLimit_AreClosed_AndItRecovers()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?> { ["Limits__MaxConnections"] = "20" });
        var idle = new List<TcpClient>();
        try
        {
            for (var i = 0; i < 30; i++)
            {
                var client = new TcpClient();
                idle.Add(client);
                try
                {
                    await client.ConnectAsync(service.Api.Address.Host, service.Api.Address.Port);
                }
                catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionReset)
                {
                    // Closed by the service before the test has seen it open.
                }
            }
            await Eventually.TrueAsync(
                async () => await RawRequest.SendAsync(service.Api, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == "");
        }
        finally
        {
            idle.ForEach(client => client.Dispose());
        }
        await Eventually.TrueAsync(
            async () => RawRequest.Status(await RawRequest.SendAsync(
                service.Api, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")) == 200);
    }
}
