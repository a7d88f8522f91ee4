using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ConcertBooking.Tests.Support;

/// <summary>An answer as it came over the wire, with the expectations that a test has of it.</summary>
public sealed partial class Reply(
    HttpMethod method, Uri address, int status, HttpResponseHeaders headers, HttpContentHeaders contentHeaders, byte[] body)
{
    private readonly Lazy<JsonElement> _json = new(() => JsonElement.Parse(body));

    public int Status { get; } = status;

    /// <summary>Of a hold or an entry: it is the caller's. 200 comes where an earlier request made it and was answered 503.</summary>
    public bool IsWon => Status is 200 or 201;

    public byte[] Body { get; } = body;

    public string Text => Encoding.UTF8.GetString(Body);

    public JsonElement Json => _json.Value;

    /// <summary>The machine name of a problem; null when this is none.</summary>
    public string? Code => ContentType == "application/problem+json" ? Json.GetProperty("code").GetString() : null;

    public string? ContentType => contentHeaders.ContentType?.MediaType;

    /// <summary>The header's value, several joined by commas; null when it is not there.</summary>
    public string? Header(string name) =>
        headers.TryGetValues(name, out var values) || contentHeaders.TryGetValues(name, out values) ? string.Join(", ", values) : null;

    public IEnumerable<string> HeaderNames => headers.Concat(contentHeaders).Select(static header => header.Key);

    public string Value(string member) => Member(member, JsonValueKind.String).GetString()!;

    public long Number(string member) => Member(member, JsonValueKind.Number).GetInt64();

    public IReadOnlyList<JsonElement> Items(string member = "items") => [.. Member(member, JsonValueKind.Array).EnumerateArray()];

    /// <summary>Fails with the whole answer unless it has that status.</summary>
    public Reply Expect(int expected)
    {
        if (Status != expected)
        {
            Assert.Fail($"Expected {expected} but got:\n{this}");
        }

        if (expected is not (204 or 304) && expected < 400 && ContentType != "application/json")
        {
            Assert.Fail($"Expected application/json but got:\n{this}");
        }

        return this;
    }

    /// <summary>Fails unless <see cref="IsWon"/>.</summary>
    public Reply ExpectWon() => IsWon ? this : Expect(201);

    /// <summary>Fails unless this is problem+json with all its members, that status and that code.</summary>
    public Reply ExpectProblem(int expected, string code)
    {
        if (Status != expected || ContentType != "application/problem+json")
        {
            Assert.Fail($"Expected {expected} {code} as application/problem+json but got:\n{this}");
        }

        foreach (var member in (string[])["type", "title", "detail", "code", "traceId"])
        {
            if (Json.ValueKind != JsonValueKind.Object || !Json.TryGetProperty(member, out var value)
                || value.ValueKind != JsonValueKind.String || string.IsNullOrWhiteSpace(value.GetString()))
            {
                Assert.Fail($"Expected the text '{member}' in the problem:\n{this}");
            }
        }
        if (Number("status") != expected || Code != code)
        {
            Assert.Fail($"Expected {expected} {code} but got:\n{this}");
        }

        foreach (var secret in (string[])["SELECT ", "   at ", "Exception", "MySql", "Redis", "127.0.0.1"])
        {
            if (Text.Contains(secret, StringComparison.Ordinal))
            {
                Assert.Fail($"A problem must not tell '{secret}':\n{this}");
            }
        }
        return this;
    }

    /// <summary>
    /// Fails unless this is 400 <c>invalid_request</c> that names at least one field, of the given one if there is
    /// one.
    /// </summary>
    public Reply ExpectInvalid(string? field = null)
    {
        ExpectProblem(400, "invalid_request");
        if (!Json.TryGetProperty("errors", out var errors) || errors.ValueKind != JsonValueKind.Object || !errors.EnumerateObject().Any())
        {
            Assert.Fail($"Expected 'errors' per field:\n{this}");
        }
        else if (field is not null && !errors.EnumerateObject().Any(
            error => string.Equals(error.Name, field, StringComparison.OrdinalIgnoreCase)))
        {
            Assert.Fail($"Expected 'errors' of {field}:\n{this}");
        }

        return this;
    }

    /// <summary>Fails unless the Retry-After header tells whole seconds.</summary>
    public Reply ExpectRetryAfter()
    {
        if (!int.TryParse(Header("Retry-After"), out var seconds) || seconds < 1)
        {
            Assert.Fail($"Expected Retry-After in seconds:\n{this}");
        }

        return this;
    }

    /// <summary>Fails unless the body is an object of exactly these members.</summary>
    public Reply ExpectMembers(params string[] members)
    {
        Json.ExpectMembers(members);
        return this;
    }

    /// <summary>The whole answer; of a 500 also what the instance logged of it.</summary>
    public override string ToString()
    {
        var text = new StringBuilder().Append(method).Append(' ').Append(address).Append(" → ").Append(Status).Append('\n');
        foreach (var (name, values) in headers.Concat(contentHeaders))
        {
            text.Append(name).Append(": ").AppendJoin(", ", values).Append('\n');
        }

        text.Append(Text);
        if (Status == 500)
        {
            text.Append("\nThe log of the instance:\n").AppendJoin('\n', Instance.LogOf(address, TraceId().Match(Text).Groups["id"].Value));
        }

        return text.ToString();
    }

    private JsonElement Member(string name, JsonValueKind kind)
    {
        if (Json.ValueKind != JsonValueKind.Object || !Json.TryGetProperty(name, out var value) || value.ValueKind != kind)
        {
            throw new InvalidOperationException($"Expected '{name}' as {kind}:\n{this}");
        }

        return value;
    }

    [GeneratedRegex("\"traceId\":\"(?<id>[0-9a-f]+)\"")]
    private static partial Regex TraceId();
}

/// <summary>Expectations of parts of an answer.</summary>
internal static class JsonExpectations
{
    public static void ExpectMembers(this JsonElement json, params string[] members)
    {
        var found = json.EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal);
        if (!found.SequenceEqual(members.Order(StringComparer.Ordinal)))
        {
            Assert.Fail($"Expected the members {string.Join(", ", members)} but got {json.GetRawText()}");
        }
    }

    public static string Value(this JsonElement json, string member) => json.GetProperty(member).GetString()!;

    public static long Number(this JsonElement json, string member) => json.GetProperty(member).GetInt64();

    public static bool IsNull(this JsonElement json, string member) => json.GetProperty(member).ValueKind == JsonValueKind.Null;

    /// <summary>A moment, always in UTC with <c>Z</c>.</summary>
    public static DateTimeOffset Moment(this JsonElement json, string member)
    {
        var text = json.Value(member);
        if (!text.EndsWith('Z'))
        {
            Assert.Fail($"{member} must be in UTC with Z: {text}");
        }

        return DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
    }
}
