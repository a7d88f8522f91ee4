using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Http;

/// <summary>What a reader of the OpenAPI document needs besides the schemas: texts, tags, and examples that are true.</summary>
public sealed class OpenApiExampleTests : SharedRigTests
{
    private const string BothLists = "a tag is in Hosting/ApiGuide.cs and in OpenApiExampleTests.Tags, in the same place of both";

    private static readonly string[] Tags =
        ["Queue", "Catalogue", "Bookings", "Reservations", "Payments", "Points", "Rankings", "Admin", "Operations"];

    [Test]
    public async Task Tags_AreInTheOrderOfTheJourney_WithADescription()
    {
        var (document, calls) = await DocumentedCall.ReadAsync(Rig.A.Api);
        var tags = document.GetProperty("tags").EnumerateArray().ToList();

        await Assert.That(string.Join(' ', tags.Select(static tag => tag.Value("name")))).IsEqualTo(string.Join(' ', Tags))
            .Because(BothLists);
        await Assert.That(tags.Where(static tag => string.IsNullOrWhiteSpace(tag.Value("description")))).IsEmpty();
        foreach (var call in calls)
        {
            await Assert.That(Tags).Contains(call.Operation.GetProperty("tags").EnumerateArray().Single().GetString()!)
                .Because($"{call}: {BothLists}");
        }
    }

    [Test]
    public async Task EveryCall_AndEveryParameter_IsDescribed()
    {
        var (_, calls) = await DocumentedCall.ReadAsync(Rig.A.Api);

        foreach (var call in calls)
        {
            foreach (var text in (string[])["summary", "description"])
            {
                await Assert.That(call.Operation.TryGetProperty(text, out var value) && value.GetString() is { Length: > 5 }).IsTrue()
                    .Because($"{call} has a {text}");
            }

            foreach (var parameter in call.Operation.TryGetProperty("parameters", out var list) ? list.EnumerateArray().ToList() : [])
            {
                await Assert.That(parameter.TryGetProperty("description", out var value) && value.GetString() is { Length: > 5 }).IsTrue()
                    .Because($"{call} describes {parameter.Value("name")}");
                await Assert.That(parameter.Value("in") != "path" || parameter.TryGetProperty("example", out _)).IsTrue()
                    .Because($"{call} has an example of {parameter.Value("name")}");
            }
        }
    }

    [Test]
    public async Task EveryBody_HasExamples_ThatItsSchemaAllows()
    {
        var (document, calls) = await DocumentedCall.ReadAsync(Rig.A.Api);
        var check = new SchemaCheck(document);

        foreach (var (at, mediaType, body) in calls.SelectMany(static call => call.Bodies))
        {
            var examples = DocumentedCall.Examples(body);
            await Assert.That(examples).IsNotEmpty().Because(at);
            foreach (var (name, value) in examples)
            {
                var schema = body.GetProperty("schema");
                var faults = mediaType == "text/event-stream" && value.ValueKind is JsonValueKind.String
                    ? StreamFaults(check, schema, value.GetString()!)
                    : check.Faults(schema, value);
                await Assert.That(faults).IsEmpty().Because($"{at}, example {name}");
            }
        }
    }

    /// <summary>A refusal's description lists its codes; each has its example, made by what writes the problem itself.</summary>
    [Test]
    public async Task EveryProblem_HasAnExample_WithItsCodeAndStatus()
    {
        var (_, calls) = await DocumentedCall.ReadAsync(Rig.A.Api);

        foreach (var call in calls)
        {
            foreach (var response in call.Responses.EnumerateObject().Where(static response => response.Name[0] is '4' or '5'))
            {
                if (!response.Value.GetProperty("content").TryGetProperty("application/problem+json", out var body))
                {
                    await Assert.That(call.Path).IsEqualTo("/readyz");
                    continue;
                }

                var codes = response.Value.Value("description").Split(", ").Select(static code => code.Trim('`'));
                var examples = DocumentedCall.Examples(body);
                await Assert.That(examples.Select(static example => example.Name)).IsEquivalentTo(codes).Because($"{call} {response.Name}");
                foreach (var (code, problem) in examples)
                {
                    await Assert.That(problem.Value("code")).IsEqualTo(code);
                    await Assert.That(problem.Value("type")).IsEqualTo($"urn:concert-booking:problem:{code}");
                    await Assert.That(problem.GetProperty("status").GetInt32().ToString()).IsEqualTo(response.Name);
                    await Assert.That(problem.Value("traceId").Length).IsEqualTo(32);
                    await Assert.That(code != "invalid_request" || problem.TryGetProperty("errors", out _)).IsTrue().Because($"{call}");
                }
            }
        }
    }

    /// <summary>The documented body is what a client gets: but for the trace and the field that was wrong.</summary>
    [Test]
    public async Task ExampleOfAProblem_IsTheAnswerItself()
    {
        var (_, calls) = await DocumentedCall.ReadAsync(Rig.A.Api);
        var answer = (await Rig.A.Api.GetAsync("/v1/concerts?limit=0")).ExpectInvalid("limit").Json;
        var documented = calls.Single(static call => call is { Method: "GET", Path: "/v1/concerts" }).Responses.GetProperty("400");
        var example = DocumentedCall.Examples(documented.GetProperty("content").GetProperty("application/problem+json")).Single().Value;

        await Assert.That(example.EnumerateObject().Select(static member => member.Name))
            .IsEquivalentTo(answer.EnumerateObject().Select(static member => member.Name));
        foreach (var member in answer.EnumerateObject().Where(static member => member.Name != "traceId"))
        {
            await Assert.That(JsonElement.DeepEquals(example.GetProperty(member.Name), member.Value)).IsTrue().Because(member.Name);
        }
    }

    /// <summary>A request may be copied from the document: it can lack its object, but is not invalid.</summary>
    [Test]
    public async Task ExampleOfARequest_IsNotRefusedAsInvalid()
    {
        await using var service = await Rig.StartAloneAsync(
            new Dictionary<string, string?> { ["Redis__KeyPrefix"] = Visitor.NewKey() + ":" });
        var show = await service.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(service).AdmittedAsync(show);
        var admin = Rig.NewAdmin(service.Api);
        var (_, calls) = await DocumentedCall.ReadAsync(service.Api);

        // Twice: what one example makes, such as a hall, another uses.
        var withBody = calls.Where(static call => call.Operation.TryGetProperty("requestBody", out _)).ToList();
        foreach (var call in withBody.Concat(withBody))
        {
            var path = call.Path.Replace("{concertId}", $"{show.ConcertId}").Replace("{scheduleId}", $"{show.ScheduleId}")
                .Replace("{name}", show.Queue);
            var request = call.Bodies.First(static body => body.At.Contains(" request ", StringComparison.Ordinal)).Body;
            foreach (var (name, value) in DocumentedCall.Examples(request))
            {
                var caller = path.StartsWith("/v1/admin", StringComparison.Ordinal) ? admin.Bearer : visitor.Bearer;
                var reply = await service.Api.SendAsync(
                    new HttpMethod(call.Method), path, value.GetRawText(), visitor.InQueue(caller, ("Idempotency-Key", Visitor.NewKey())));

                await Assert.That(reply.Status is < 300 or 403 or 404 or 409).IsTrue().Because($"{call} {name}: {reply}");
            }
        }
    }

    [Test]
    [Arguments("""{"code":1}""", "$.code: 1 is not string")]
    [Arguments("""{"errors":{"a":["b",null]}}""", "$.errors.a[1]: null is not string")]
    [Arguments("""{"status":"400"}""", "$.status: \"400\" is not integer")]
    [Arguments("""{"more":1}""", "$.more is not in the schema")]
    [Arguments("{}", "$.traceId is missing")]
    public async Task SchemaCheck_WrongValue_IsFound(string value, string fault)
    {
        var (document, _) = await DocumentedCall.ReadAsync(Rig.A.Api);
        var problem = document.GetProperty("components").GetProperty("schemas").GetProperty("Problem");

        await Assert.That(new SchemaCheck(document).Faults(problem, JsonElement.Parse(value))).Contains(fault);
    }

    /// <summary>Of a stream the schema is that of an event's data, of the first where they differ.</summary>
    private static IReadOnlyList<string> StreamFaults(SchemaCheck check, JsonElement schema, string stream)
    {
        var events = stream.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(static one => JsonElement.Parse(one.Split('\n').Single(static line => line.StartsWith("data: "))[6..])).ToList();
        return events.Count == 0 ? ["no event"] : check.Faults(schema, events[0]);
    }
}
