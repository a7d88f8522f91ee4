using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>
/// The corpus bad-input.jsonl: a request a line with the refusal it must get (no code: the server's own, without a
/// body). <c>⟨x*3⟩</c> stands for xxx; calls that
/// need an idempotency key get a fresh one unless the line has headers of its own.
/// </summary>
public sealed partial class BadInputTests : SharedRigTests
{
    [Test]
    public async Task BadInput_EveryLine_GetsItsRefusal()
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());
        var lines = await File.ReadAllLinesAsync(Path.Combine(AppContext.BaseDirectory, "Security", "bad-input.jsonl"));
        await Assert.That(lines.Length).IsGreaterThan(200);
        using var http = new HttpClient(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                UseProxy = false,
                RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8
            });
        var wrong = new List<string>();
        foreach (var line in lines)
        {
            var entry = JsonElement.Parse(Encoding.UTF8.GetBytes(line));
            using var request = Request(entry, visitor);
            using var response = await http.SendAsync(request);
            var text = await response.Content.ReadAsStringAsync();
            var code = response.Content.Headers.ContentType?.MediaType == "application/problem+json"
                ? JsonElement.Parse(Encoding.UTF8.GetBytes(text)).Value("code") : null;
            if ((int)response.StatusCode != entry.Number("status") || code != entry.GetProperty("code").GetString())
            {
                wrong.Add(
                    $"{entry.Value("name")}: expected {entry.Number("status")} {entry.GetProperty("code")} but got "
                        + $"{(int)response.StatusCode} {text}");
            }
        }
        if (wrong.Count > 0)
        {
            Assert.Fail($"{wrong.Count} of {lines.Length}:\n{string.Join('\n', wrong)}");
        }

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(0);
        await Assert.That((await visitor.GetAsync("/v1/reservations")).Items().Count).IsEqualTo(0);
    }

    /// <summary>A cursor says where to go on, in one list and among what its caller may see; made up, it shows nothing else.</summary>
    [Test]
    public async Task Cursor_OfAnotherListOrUser_ShowsNothingOfIt()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var owner = await Rig.NewVisitorAsync(show, points: 1_000);
        (await owner.ChargeAsync(1)).Expect(201);
        (await owner.HoldAsync(show, 1)).Expect(201);
        (await owner.HoldAsync(show, 2)).Expect(201);
        var ofReservations = (await owner.GetAsync("/v1/reservations?limit=1")).Expect(200).Value("nextCursor");
        var ofTransactions = (await owner.GetAsync("/v1/points/transactions?limit=1")).Expect(200).Value("nextCursor");

        (await owner.GetAsync($"/v1/points/transactions?cursor={ofReservations}")).ExpectInvalid("cursor");
        (await owner.GetAsync($"/v1/reservations?cursor={ofTransactions}")).ExpectInvalid("cursor");
        (await owner.GetAsync($"/v1/concerts?cursor={ofReservations}")).ExpectInvalid("cursor");
        (await owner.GetAsync($"/v1/reservations?cursor={ofReservations[..^1]}")).ExpectInvalid("cursor");
        (await owner.GetAsync($"/v1/reservations?cursor={ofReservations}A")).ExpectInvalid("cursor");

        var stranger = Rig.NewVisitor();
        await Assert.That((await stranger.GetAsync($"/v1/reservations?cursor={ofReservations}")).Expect(200).Items().Count).IsEqualTo(0);
        await Assert.That((await stranger.GetAsync($"/v1/points/transactions?cursor={ofTransactions}")).Expect(200).Items().Count)
            .IsEqualTo(0);
    }

    private HttpRequestMessage Request(JsonElement entry, Visitor visitor)
    {
        // As it is: a client library would tidy the path up.
        var uri = new Uri(
            $"{Rig.A.Api.Address.GetLeftPart(UriPartial.Authority)}{Full(entry.Value("path"))}",
            new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var request = new HttpRequestMessage(new HttpMethod(entry.Value("method")), uri);
        if (entry.TryGetProperty("body", out var body))
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(Full(body.GetString()!)));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }
        if (entry.Value("as") != "nobody")
        {
            request.Headers.TryAddWithoutValidation(
                "Authorization", $"Bearer {(entry.Value("as") == "admin" ? Rig.Admin : visitor).AccessToken}");
        }

        if (entry.Value("as") == "admitted")
        {
            request.Headers.TryAddWithoutValidation("Queue-Token", visitor.QueueToken);
        }

        if (!entry.TryGetProperty("headers", out var headers))
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", Visitor.NewKey());
            return request;
        }
        foreach (var header in headers.EnumerateArray())
        {
            var (name, value) = (header[0].GetString()!, Full(header[1].GetString()!));
            if (!name.StartsWith("Content-", StringComparison.Ordinal))
            {
                request.Headers.TryAddWithoutValidation(name, value);
                continue;
            }
            request.Content!.Headers.Remove(name);
            if (value.Length > 0)
            {
                request.Content.Headers.TryAddWithoutValidation(name, value);
            }
        }
        return request;
    }

    private static string Full(string text) =>
        Repetition().Replace(
            text,
            found => string.Concat(
                Enumerable.Repeat(
                    found.Groups[1].Value, int.Parse(found.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture))));

    [GeneratedRegex(@"⟨(.)\*(\d+)⟩")]
    private static partial Regex Repetition();
}
