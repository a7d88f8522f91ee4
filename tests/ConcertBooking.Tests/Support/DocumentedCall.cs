using System.Text.Json;

namespace ConcertBooking.Tests.Support;

/// <summary>An operation of the OpenAPI document.</summary>
public sealed record DocumentedCall(string Method, string Path, JsonElement Operation)
{
    public JsonElement Responses => Operation.GetProperty("responses");

    /// <summary>The kinds of body of the request and of every response, with where each is.</summary>
    public IEnumerable<(string At, string MediaType, JsonElement Body)> Bodies => Responses.EnumerateObject()
        .Select(static response => (response.Name, response.Value))
        .Prepend(("request", Operation.TryGetProperty("requestBody", out var request) ? request : default))
        .Where(static one => one.Item2.ValueKind is JsonValueKind.Object && one.Item2.TryGetProperty("content", out _))
        .SelectMany(one => one.Item2.GetProperty("content").EnumerateObject().Select(
            body => ($"{this} {one.Item1} {body.Name}", body.Name, body.Value)));

    /// <summary>The examples of a body, by name.</summary>
    public static IReadOnlyList<(string Name, JsonElement Value)> Examples(JsonElement body) =>
        body.TryGetProperty("examples", out var examples)
            ? [.. examples.EnumerateObject().Select(static example => (example.Name, example.Value.GetProperty("value")))]
            : [];

    public override string ToString() => $"{Method} {Path}";

    public static async Task<(JsonElement Document, IReadOnlyList<DocumentedCall> Calls)> ReadAsync(Api api)
    {
        var document = (await api.GetAsync("/openapi/v1.json")).Expect(200).Json;
        return (document, [.. from path in document.GetProperty("paths").EnumerateObject()
                              from operation in path.Value.EnumerateObject()
                              select new DocumentedCall(operation.Name.ToUpperInvariant(), path.Name, operation.Value)]);
    }
}
