using System.Net.Sockets;
using System.Text;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Http;

/// <summary>Refusals that no slice makes.</summary>
public sealed class ProblemTests : SharedRigTests
{
    private static readonly string Over16KiB = $$"""{"amount":1,"padding":"{{new string('x', 17 * 1024)}}"}""";

    [Test]
    [Arguments("/v1")]
    [Arguments("/v1/nothing")]
    [Arguments("/v2/concerts")]
    [Arguments("/v1/concerts/1/schedules/more")]
    [Arguments("/V1/points/../../etc/passwd")]
    public async Task Path_Unknown_Returns404(string path)
    {
        (await Rig.A.Api.GetAsync(path)).ExpectProblem(404, "not_found");
        (await Rig.Admin.SendAsync(HttpMethod.Post, path, "{}")).ExpectProblem(404, "not_found");
    }

    [Test]
    [Arguments("GET", "/v1/queue/tokens")]
    [Arguments("POST", "/v1/queue/tokens/current")]
    [Arguments("POST", "/v1/concerts")]
    [Arguments("DELETE", "/v1/schedules/1/seats")]
    [Arguments("PUT", "/v1/reservations")]
    [Arguments("PATCH", "/v1/reservations/019a0000-0000-7000-8000-000000000000")]
    [Arguments("GET", "/v1/payments")]
    [Arguments("DELETE", "/v1/points")]
    [Arguments("GET", "/v1/points/charges")]
    [Arguments("GET", "/v1/admin/concerts")]
    [Arguments("DELETE", "/v1/admin/queues/main")]
    [Arguments("POST", "/livez")]
    public async Task Path_WrongVerb_Returns405(string method, string path)
    {
        var reply = (await Rig.Admin.SendAsync(new HttpMethod(method), path)).ExpectProblem(405, "method_not_allowed");

        await Assert.That(reply.Header("Allow")).IsNotNull();
        (await Rig.A.Api.SendAsync(new HttpMethod(method), path)).ExpectProblem(405, "method_not_allowed");
    }

    [Test]
    [Arguments("POST", "/v1/queue/tokens")]
    [Arguments("POST", "/v1/reservations")]
    [Arguments("POST", "/v1/payments")]
    [Arguments("POST", "/v1/points/charges")]
    [Arguments("POST", "/v1/admin/concerts")]
    [Arguments("PATCH", "/v1/admin/concerts/1")]
    [Arguments("POST", "/v1/admin/concerts/1/schedules")]
    [Arguments("PATCH", "/v1/admin/schedules/1")]
    [Arguments("PUT", "/v1/admin/queues/x")]
    public async Task Body_TooLargeOrOfAnotherKind_IsRefused(string method, string path)
    {
        var (verb, caller) = (new HttpMethod(method), Rig.Admin);
        await caller.EnteredAsync(await Rig.Catalogue.AddQueueAsync());
        var headers = caller.InQueue(("Idempotency-Key", Visitor.NewKey()));

        (await caller.SendAsync(verb, path, Over16KiB, headers)).ExpectProblem(413, "body_too_large");
        string[] kinds =
        [
            "text/plain", "application/x-www-form-urlencoded", "application/xml", "application/problem+json", "text/json",
            .. OtherCharsets.Select(static charset => $"application/json; charset={charset}"),
            "application/json; charset=utf-8; charset=utf-16", "application/json; Charset=utf8; q=1", "application/json, text/plain",
        ];
        foreach (var kind in kinds)
        {
            var reply = await caller.SendAsync(verb, path, "{}", [.. headers, ("Content-Type", kind)]);
            if (reply.Code != "unsupported_media_type")
            {
                Assert.Fail($"{kind}: {reply}");
            }

            reply.ExpectProblem(415, "unsupported_media_type");
        }
    }

    /// <summary>What is not UTF-8, whether there is such an encoding or not.</summary>
    private static readonly string[] OtherCharsets =
        ["utf8", "UTF8", "utf-7", "utf-16", "utf-32", "us-ascii", "iso-8859-1", "windows-1252", "latin1", "none", "\"\"", "", "\"utf-8",
            "\"utf-16\"", "utf-8x", "*"];

    [Test]
    public async Task Body_JustUnder16KiB_IsTaken()
    {
        var body = $$"""{"amount":1,"padding":"{{new string('x', (16 * 1024) - 40)}}"}""";

        (await Rig.NewVisitor().PostAsync("/v1/points/charges", body, ("Idempotency-Key", Visitor.NewKey()))).Expect(201);
    }

    [Test]
    public async Task Body_TooLargeWithoutItsLength_Returns413()
    {
        var visitor = Rig.NewVisitor();
        using var client = new TcpClient();
        await client.ConnectAsync(Rig.A.Api.Address.Host, Rig.A.Api.Address.Port);
        await using var stream = client.GetStream();

        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/points/charges HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {visitor.AccessToken}\r\nIdempotency-Key: k\r\n"
            + $"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{Over16KiB.Length:x}\r\n{Over16KiB}\r\n0\r\n\r\n"));

        using var reader = new StreamReader(stream);
        await Assert.That(await reader.ReadLineAsync()).IsNotNull().And.StartsWith("HTTP/1.1 413");
    }

    [Test]
    [Arguments("application/json; charset=utf-8")]
    [Arguments("application/json;charset=UTF-8")]
    [Arguments("Application/JSON; CHARSET=\"Utf-8\"")]
    [Arguments("application/json; profile=x; charset=utf-8")]
    [Arguments("application/json; profile=\"charset=utf-16\"")]
    public async Task Body_JsonInUtf8_IsTaken(string contentType) => (await Rig.NewVisitor().PostAsync(
        "/v1/points/charges", """{"amount":1}""", ("Idempotency-Key", Visitor.NewKey()), ("Content-Type", contentType))).Expect(201);

    /// <summary>What the framework's filter finds, what a slice looks for itself, and what the reader of JSON does.</summary>
    [Test]
    [Arguments("text/html")]
    [Arguments("application/xml, text/*;q=0.5")]
    [Arguments("application/problem+json;q=0")]
    [Arguments("*/*;q=0")]
    [Arguments("nonsense")]
    [Arguments("")]
    [Arguments("application/json")]
    public async Task Validation_WhateverIsAccepted_IsAProblem(string accept)
    {
        var queue = await Rig.Catalogue.AddQueueAsync();
        var concertId = await Rig.Catalogue.AddConcertAsync(queue);
        (string Method, string Path, string Body, string Field)[] calls =
        [
            ("POST", "/v1/points/charges", """{"amount":0}""", "amount"),
            ("POST", "/v1/points/charges", """{"amount":"x"}""", "amount"),
            ("POST", "/v1/admin/concerts", """{"title":""}""", "title"),
            ("PATCH", $"/v1/admin/concerts/{concertId}", """{"title":""}""", "title"),
            ("POST", $"/v1/admin/concerts/{concertId}/schedules", """{"startsAt":"2031-03-04T12:00:00Z","seatCount":0,"price":-1}""",
                "seatCount"),
            ("PATCH", "/v1/admin/schedules/1", """{"price":-1}""", "price"),
            ("PUT", $"/v1/admin/queues/{queue}", """{"maxActive":0,"activeSeconds":600}""", "maxActive"),
            ("POST", "/v1/admin/events/replay", """{"state":"alive"}""", "state"),
            ("GET", "/v1/concerts?limit=0", "", "limit"),
            ("GET", "/v1/reservations?cursor=x", "", "cursor"),
        ];
        foreach (var (method, path, body, field) in calls)
        {
            var reply = await Rig.Admin.SendAsync(
                new HttpMethod(method), path, body.Length == 0 ? null : body, ("Idempotency-Key", Visitor.NewKey()), ("Accept", accept));
            reply.ExpectInvalid(field);
            await Assert.That(reply.Value("type")).IsEqualTo("urn:concert-booking:problem:invalid_request").Because($"{method} {path}");
            await Assert.That(reply.Header("Cache-Control")).IsEqualTo("no-store");
        }
    }

    [Test]
    public async Task Problem_TwoRequests_HaveTwoTraceIds()
    {
        var first = (await Rig.A.Api.GetAsync("/nothing")).ExpectProblem(404, "not_found").Value("traceId");
        var second = (await Rig.A.Api.GetAsync("/nothing")).ExpectProblem(404, "not_found").Value("traceId");

        await Assert.That(second).IsNotEqualTo(first);
    }

    [Test]
    public async Task Problem_RequestIsPartOfATrace_HasItsTraceId()
    {
        const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";

        var reply = (await Rig.A.Api.GetAsync("/nothing", ("traceparent", $"00-{TraceId}-00f067aa0ba902b7-01")))
            .ExpectProblem(404, "not_found");

        await Assert.That(reply.Value("traceId")).IsEqualTo(TraceId);
    }

    [Test]
    public async Task Answer_Any_RevealsNothingOfTheServer()
    {
        var reply = (await Rig.A.Api.GetAsync("/livez")).Expect(200);

        await Assert.That(reply.Header("Server")).IsNull();
        await Assert.That(reply.Header("X-Powered-By")).IsNull();
    }
}
