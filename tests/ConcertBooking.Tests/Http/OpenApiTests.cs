using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Http;

/// <summary>The OpenAPI document: every operation with its statuses, problem codes, headers and credential.</summary>
public sealed partial class OpenApiTests : SharedRigTests
{
    private const string Body = "400 invalid_request, 413 body_too_large, 415 unsupported_media_type, ";
    private const string Place = "401 queue_token_missing, 401 queue_token_invalid, 410 queue_token_expired, ";
    private const string Jwt = "401 unauthorized, ";
    private const string Role = Jwt + "403 forbidden, ";

    [Test]
    [Arguments(
        "post", "/v1/queue/tokens", "200, 201",
        Jwt + Body + "404 queue_not_found, 429 too_many_requests, 503 queue_unavailable, 503 queue_full")]
    [Arguments("get", "/v1/queue/tokens/current", "200", Place + "503 queue_unavailable")]
    [Arguments("get", "/v1/queue/tokens/current/events", "200", Place + "503 queue_unavailable")]
    [Arguments("delete", "/v1/queue/tokens/current", "204", Place + "503 queue_unavailable")]
    [Arguments("get", "/v1/concerts", "200, 304", "400 invalid_request")]
    [Arguments("get", "/v1/concerts/{concertId}/schedules", "200, 304", "404 concert_not_found")]
    [Arguments("get", "/v1/schedules/{scheduleId}/seats", "200, 304", "404 schedule_not_found")]
    [Arguments("get", "/v1/schedules/{scheduleId}/seats/events", "200", "404 schedule_not_found, 503 too_many_streams")]
    [Arguments("get", "/v1/schedules/{scheduleId}/plan", "200, 304", "404 schedule_not_found")]
    [Arguments("get", "/v1/rankings/concerts", "200, 304", "400 invalid_request")]
    [Arguments("get", "/v1/rankings/sold-out", "200, 304", "400 invalid_request")]
    [Arguments("post", "/v1/reservations", "200, 201", Place + Body
        + "403 queue_token_not_active, 404 schedule_not_found, 404 seat_not_found, 409 seat_taken, 409 schedule_closed, "
        + "409 sales_not_open, 409 sales_closed, 409 hold_limit_reached, 409 purchase_limit_reached, 503 database_unavailable")]
    [Arguments("post", "/v1/bookings", "200, 201", Place + Body
        + "400 idempotency_key_missing, 403 queue_token_not_active, 404 schedule_not_found, 404 seat_not_found, 409 seat_taken, "
        + "409 no_seats_together, 409 sold_out, 409 schedule_closed, 409 sales_not_open, 409 sales_closed, 409 hold_limit_reached, "
        + "409 purchase_limit_reached, 409 idempotency_key_in_use, 422 idempotency_key_reused, 503 database_unavailable")]
    [Arguments("get", "/v1/reservations/{reservationId}", "200", Jwt + "404 reservation_not_found")]
    [Arguments("get", "/v1/reservations", "200", Jwt + "400 invalid_request")]
    [Arguments("delete", "/v1/reservations/{reservationId}", "204", Jwt + "404 reservation_not_found, 409 already_paid, 410 hold_expired")]
    [Arguments("get", "/v1/bookings/{bookingId}", "200", Jwt + "404 booking_not_found")]
    [Arguments("get", "/v1/bookings", "200", Jwt + "400 invalid_request")]
    [Arguments("delete", "/v1/bookings/{bookingId}", "204", Jwt + "404 booking_not_found, 409 already_paid, 410 hold_expired")]
    [Arguments("post", "/v1/bookings/{bookingId}/extension", "200", Place
        + "403 queue_token_not_active, 404 booking_not_found, 409 extension_limit_reached, 409 already_paid, 410 hold_expired, "
        + "503 database_unavailable")]
    [Arguments("post", "/v1/payments", "201", Place + Body
        + "400 idempotency_key_missing, 402 insufficient_points, 403 queue_token_not_active, 404 reservation_not_found, "
        + "404 booking_not_found, 409 already_paid, "
        + "409 idempotency_key_in_use, 410 hold_expired, 422 idempotency_key_reused")]
    [Arguments("get", "/v1/payments/{paymentId}", "200", Jwt + "404 payment_not_found")]
    [Arguments("post", "/v1/points/charges", "201", Role + Body
        + "400 idempotency_key_missing, 409 idempotency_key_in_use, 409 balance_limit_exceeded, 422 idempotency_key_reused")]
    [Arguments("get", "/v1/points", "200", Jwt)]
    [Arguments("get", "/v1/points/transactions", "200", Jwt + "400 invalid_request")]
    [Arguments("post", "/v1/admin/concerts", "201", Role + Body)]
    [Arguments("patch", "/v1/admin/concerts/{concertId}", "200", Role + Body + "404 concert_not_found")]
    [Arguments("post", "/v1/admin/concerts/{concertId}/schedules", "201", Role + Body + "404 concert_not_found, 404 hall_not_found")]
    [Arguments("patch", "/v1/admin/schedules/{scheduleId}", "200", Role + Body + "404 schedule_not_found")]
    [Arguments("post", "/v1/admin/halls", "201", Role + Body)]
    [Arguments("get", "/v1/admin/halls", "200", Role + "400 invalid_request")]
    [Arguments("get", "/v1/admin/queues", "200", Role + "400 invalid_request, 503 queue_unavailable")]
    [Arguments("put", "/v1/admin/queues/{name}", "200", Role + Body)]
    [Arguments("get", "/v1/admin/queues/{name}", "200", Role + "404 queue_not_found")]
    [Arguments("get", "/v1/admin/events", "200", Role)]
    [Arguments("post", "/v1/admin/events/replay", "202", Role + Body)]
    [Arguments("get", "/livez", "200", "")]
    [Arguments("get", "/readyz", "200, 503", "")]
    public async Task Document_EveryCall_HasItsStatusesAndCodes(string method, string path, string successes, string problems)
    {
        var responses = (await OperationAsync(method, path)).GetProperty("responses");

        foreach (var status in successes.Split(", "))
        {
            await Assert.That(responses.TryGetProperty(status, out _)).IsTrue().Because($"{method} {path} answers {status}");
        }

        foreach (var problem in problems.Split(", ", StringSplitOptions.RemoveEmptyEntries))
        {
            var (status, code) = (problem[..3], problem[4..]);
            await Assert.That(responses.TryGetProperty(status, out var response)).IsTrue().Because($"{method} {path} answers {problem}");
            await Assert.That(response.GetRawText()).Contains(code);
            await Assert.That(response.GetProperty("content").TryGetProperty("application/problem+json", out _)).IsTrue();
        }
    }

    /// <summary>A new slice gets a row above; what every call of its kind can return (429, most 503) need not be repeated in it.</summary>
    [Test]
    public async Task Document_Operations_AreThoseOfTheTable()
    {
        var rows = typeof(OpenApiTests).GetMethod(nameof(Document_EveryCall_HasItsStatusesAndCodes))!
            .GetCustomAttributes(typeof(ArgumentsAttribute), inherit: false).Cast<ArgumentsAttribute>()
            .Select(static row => $"{row.Values[0]?.ToString()?.ToUpperInvariant()} {row.Values[1]}").ToList();

        ExpectSame(await CallsAsync(), rows, "a row of the first table of OpenApiTests");
    }

    /// <summary>The threat model lists the calls that need no credential.</summary>
    [Test]
    public async Task Document_OperationsWithoutACredential_AreThoseOfTheThreatModel()
    {
        var listed = PublicCall().Matches(await File.ReadAllTextAsync(Repository.PathOf("deploy/security.md")))
            .Select(static line => line.Groups["call"].Value).ToList();
        var open = (await CallsAsync()).Where(static call => !call.Operation.TryGetProperty("security", out _));

        ExpectSame(open, listed, "a line of \"Calls without a credential\" in deploy/security.md", "without a credential");
    }

    /// <summary>Every call is limited but health, which is of the management endpoints even where the API port serves it.</summary>
    [Test]
    public async Task Document_EveryCallButHealth_Names429()
    {
        var unnamed = (await CallsAsync()).Where(static call => call.Path is not ("/livez" or "/readyz"))
            .Where(static call => !call.Responses.TryGetProperty("429", out var refusal)
                || !refusal.GetRawText().Contains("too_many_requests", StringComparison.Ordinal));

        await Assert.That(string.Join(", ", unnamed)).IsEmpty()
            .Because("a call whose helpers do not name Problems.TooManyRequests names it in WithProblems");
    }

    [Test]
    [Arguments("get", "/v1/queue/tokens/current", "Queue-Token")]
    [Arguments("get", "/v1/queue/tokens/current/events", "Queue-Token")]
    [Arguments("delete", "/v1/queue/tokens/current", "Queue-Token")]
    [Arguments("post", "/v1/reservations", "Queue-Token")]
    [Arguments("post", "/v1/bookings", "Queue-Token")]
    [Arguments("post", "/v1/bookings/{bookingId}/extension", "Queue-Token")]
    [Arguments("post", "/v1/payments", "Queue-Token")]
    [Arguments("post", "/v1/payments", "Idempotency-Key")]
    [Arguments("post", "/v1/points/charges", "Idempotency-Key")]
    public async Task Document_HeadersThatACallNeeds_AreRequired(string method, string path, string header) =>
        await Assert.That(await HasParameterAsync(method, path, header, required: true)).IsTrue();

    [Test]
    [Arguments("/v1/concerts", "If-None-Match")]
    [Arguments("/v1/concerts", "limit")]
    [Arguments("/v1/concerts", "cursor")]
    [Arguments("/v1/concerts/{concertId}/schedules", "If-None-Match")]
    [Arguments("/v1/schedules/{scheduleId}/seats", "If-None-Match")]
    [Arguments("/v1/schedules/{scheduleId}/seats/events", "Last-Event-ID")]
    [Arguments("/v1/schedules/{scheduleId}/plan", "If-None-Match")]
    [Arguments("/v1/admin/queues", "limit")]
    [Arguments("/v1/admin/queues", "cursor")]
    [Arguments("/v1/admin/halls", "limit")]
    [Arguments("/v1/admin/halls", "cursor")]
    [Arguments("/v1/reservations", "limit")]
    [Arguments("/v1/reservations", "cursor")]
    [Arguments("/v1/points/transactions", "limit")]
    [Arguments("/v1/points/transactions", "cursor")]
    public async Task Document_WhatACallMayTake_IsOptional(string path, string name) =>
        await Assert.That(await HasParameterAsync("get", path, name, required: false)).IsTrue();

    [Test]
    [Arguments("post", "/v1/queue/tokens", "429", "Retry-After")]
    [Arguments("post", "/v1/queue/tokens", "503", "Retry-After")]
    [Arguments("get", "/v1/concerts", "200", "ETag")]
    [Arguments("get", "/v1/concerts", "200", "Cache-Status")]
    [Arguments("get", "/v1/concerts/{concertId}/schedules", "200", "ETag")]
    [Arguments("get", "/v1/schedules/{scheduleId}/seats", "200", "ETag")]
    [Arguments("get", "/v1/schedules/{scheduleId}/seats", "200", "Cache-Status")]
    [Arguments("get", "/v1/schedules/{scheduleId}/plan", "200", "ETag")]
    [Arguments("post", "/v1/reservations", "201", "Location")]
    [Arguments("post", "/v1/reservations", "503", "Retry-After")]
    [Arguments("post", "/v1/bookings", "201", "Location")]
    [Arguments("post", "/v1/bookings", "201", "Idempotency-Replayed")]
    [Arguments("post", "/v1/payments", "201", "Idempotency-Replayed")]
    [Arguments("post", "/v1/points/charges", "201", "Idempotency-Replayed")]
    public async Task Document_HeadersOfAnAnswer_AreListed(string method, string path, string status, string header)
    {
        var response = (await OperationAsync(method, path)).GetProperty("responses").GetProperty(status);

        await Assert.That(response.TryGetProperty("headers", out var headers) && headers.TryGetProperty(header, out _)).IsTrue();
    }

    [Test]
    [Arguments("post", "/v1/queue/tokens", "bearer")]
    [Arguments("get", "/v1/reservations", "bearer")]
    [Arguments("post", "/v1/points/charges", "bearer")]
    [Arguments("put", "/v1/admin/queues/{name}", "bearer")]
    [Arguments("post", "/v1/payments", "Queue-Token")]
    [Arguments("post", "/v1/reservations", "Queue-Token")]
    public async Task Document_Credentials_AreListed(string method, string path, string credential)
    {
        var document = await DocumentAsync();
        var scheme = document.GetProperty("paths").GetProperty(path).GetProperty(method).GetProperty("security")[0].EnumerateObject()
            .Single().Name;

        var described = document.GetProperty("components").GetProperty("securitySchemes").GetProperty(scheme).GetRawText();

        await Assert.That(described).Contains(credential);
    }

    [Test]
    public async Task Document_Ids_AreIntegersAndTexts()
    {
        var schemas = (await DocumentAsync()).GetProperty("components").GetProperty("schemas");
        var hold = schemas.EnumerateObject().Single(schema => schema.Name.Contains("HoldSeatRequest", StringComparison.Ordinal)).Value;
        var reservation = schemas.EnumerateObject()
            .Single(schema => schema.Name.Contains("ReservationResponse", StringComparison.Ordinal)).Value;

        await Assert.That(hold.GetProperty("properties").GetProperty("scheduleId").Value("type")).IsEqualTo("integer");
        await Assert.That(reservation.GetProperty("properties").GetProperty("reservationId").Value("type")).IsEqualTo("string");
        await Assert.That(reservation.GetProperty("properties").GetProperty("price").Value("type")).IsEqualTo("integer");
    }

    [Test]
    public async Task Document_WhatIsLeftOutWhenUnset_IsNotRequired()
    {
        var schemas = (await DocumentAsync()).GetProperty("components").GetProperty("schemas");
        var queue = schemas.EnumerateObject()
            .Single(static schema => schema.Name.Contains("QueueResponse", StringComparison.Ordinal)).Value;

        await Assert.That(queue.GetProperty("properties").EnumerateObject().Select(static property => property.Name))
            .Contains("admitPerSecond");
        await Assert.That(queue.GetProperty("required").EnumerateArray().Select(static name => name.GetString()!))
            .IsEquivalentTo(["queue", "waiting", "active", "maxActive", "activeSeconds"]);
    }

    [Test]
    public async Task Document_NothingElse_IsServed()
    {
        var document = await DocumentAsync();

        await Assert.That(document.Value("openapi")).StartsWith("3.");
        await Assert.That(
            document.GetProperty("paths").EnumerateObject().Any(path => path.Name.StartsWith("/dev", StringComparison.Ordinal))).IsFalse();
    }

    [Test]
    public async Task Scalar_Page_Renders()
    {
        var page = await Rig.A.Api.GetAsync("/scalar");
        if (page.Status is 301 or 302 or 307 or 308)
        {
            page = await Rig.A.Api.GetAsync(new Uri(new Uri(Rig.A.Api.Address, "/scalar"), page.Header("Location")!).PathAndQuery);
        }

        await Assert.That(page.Status).IsEqualTo(200);
        await Assert.That(page.ContentType).IsEqualTo("text/html");
        await Assert.That(page.Text).Contains("openapi/v1.json");
    }

    /// <summary>Fails with the calls that are missing in a list, or too many, or in it twice.</summary>
    /// <param name="documented">The calls of the document.</param>
    /// <param name="listed">Those of the list, as <see cref="DocumentedCall.ToString"/> writes them.</param>
    /// <param name="entry">What a call has in the list.</param>
    /// <param name="kind">Which calls of the document these are.</param>
    private static void ExpectSame(IEnumerable<DocumentedCall> documented, IReadOnlyList<string> listed, string entry, string kind = "")
    {
        var calls = documented.Select(static call => call.ToString()).ToList();
        List<string> faults =
        [
            .. calls.Except(listed).Select(call => $"{call} needs {entry}."),
            .. listed.Except(calls).Select(call => $"{call} has {entry}, but the document has no such call {kind}".TrimEnd() + "."),
            .. listed.CountBy(static call => call).Where(static call => call.Value > 1)
                .Select(call => $"{call.Key} has {entry} {call.Value} times."),
        ];
        if (faults.Count > 0)
        {
            Assert.Fail(string.Join('\n', faults));
        }
    }

    private async Task<IReadOnlyList<DocumentedCall>> CallsAsync() => (await DocumentedCall.ReadAsync(Rig.A.Api)).Calls;

    private async Task<JsonElement> DocumentAsync() => (await Rig.A.Api.GetAsync("/openapi/v1.json")).Expect(200).Json;

    private async Task<JsonElement> OperationAsync(string method, string path)
    {
        var document = await DocumentAsync();
        if (!document.GetProperty("paths").TryGetProperty(path, out var calls) || !calls.TryGetProperty(method, out var operation))
        {
            throw new InvalidOperationException($"The document does not tell of {method} {path}.");
        }

        return operation;
    }

    private async Task<bool> HasParameterAsync(string method, string path, string name, bool required) =>
        (await OperationAsync(method, path)).TryGetProperty("parameters", out var parameters)
        && parameters.EnumerateArray().Any(parameter =>
            parameter.Value("name") == name && (parameter.TryGetProperty("required", out var value) && value.GetBoolean()) == required);

    [GeneratedRegex(@"(?m)^- `(?<call>[A-Z]+ /[^`]*)`$")]
    private static partial Regex PublicCall();
}
