using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace ConcertBooking.Tests.Support;

/// <summary>A member of a request's body, as the document tells it.</summary>
internal sealed record FuzzMember(string Name, string Type, bool Required);

/// <summary>A call of the document: its verb, its path with {parameters}, what its query takes, and its body's members.</summary>
internal sealed record FuzzCall(string Method, string Path, IReadOnlyList<string> Query, IReadOnlyList<FuzzMember>? Body)
{
    public static async Task<IReadOnlyList<FuzzCall>> ReadAsync(Api api)
    {
        var document = (await api.GetAsync("/openapi/v1.json")).Json;
        return [.. from path in document.GetProperty("paths").EnumerateObject()
                   from operation in path.Value.EnumerateObject()
                   let body = ReadBody(document, operation.Value)
                   select new FuzzCall(operation.Name.ToUpperInvariant(), path.Name, ReadQuery(operation.Value), body)];
    }

    private static IReadOnlyList<string> ReadQuery(JsonElement operation) => operation.TryGetProperty("parameters", out var parameters)
        ? [.. parameters.EnumerateArray().Where(one => one.Value("in") == "query").Select(one => one.Value("name"))]
        : [];

    private static IReadOnlyList<FuzzMember>? ReadBody(JsonElement document, JsonElement operation)
    {
        if (!operation.TryGetProperty("requestBody", out var body))
        {
            return null;
        }

        var text = body.GetRawText();
        const string Mark = "#/components/schemas/";
        var start = text.IndexOf(Mark, StringComparison.Ordinal) + Mark.Length;
        var schema = document.GetProperty("components").GetProperty("schemas").GetProperty(text[start..text.IndexOf('"', start)]);
        var required = schema.TryGetProperty("required", out var names) ? names.EnumerateArray()
            .Select(name => name.GetString()).ToHashSet() : [];
        return [.. schema.GetProperty("properties").EnumerateObject().Select(member => new FuzzMember(
            member.Name,
            member.Value.TryGetProperty("type", out var type) && type.GetRawText()
                .Contains("integer", StringComparison.Ordinal) ? "integer" : "string",
            required.Contains(member.Name)))];
    }
}

/// <summary>Makes requests that must be refused: every body has a fault that no reader may overlook.</summary>
internal sealed class Fuzzer(Random random, IReadOnlyList<FuzzCall> calls, Visitor victim, string adminToken, string strangersKey)
{
    private static readonly string[] Numbers =
    [
        "-1", "1e400", "-1e400", "0.5", "1.0000000000000001", "9007199254740993", "9223372036854775808", "-9223372036854775809",
        "99999999999999999999999999999999999", "1e3", "00", "0x10", "NaN", "Infinity", "+1", "\"1\"", "null", "true", "[]", "{}", "[1]",
        "\"\"", ".5", "1.",
    ];

    private static readonly string[] NotStrings = ["0", "-1", "true", "[]", "{}", "[\"x\"]", "1e400", "\"\\ud800\"", "\"\\u12\"",
        "\"\u0001\"", "'x'", "x"];

    private static readonly string[] Texts =
    [
        "", "0", "-1", "abc", "1;DROP TABLE seat", "' OR '1'='1", "%00", "%0d%0aSet-Cookie:%20a=b", "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "9223372036854775808",
        "99999999999999999999", "1e3", "1.0", "+1", "%F0%9F%98%80", "%C3%28", "%ED%A0%80", "null", "undefined", "NaN",
        "019a0000-0000-7000-8000-000000000000",
        "019a0000-0000-7000-8000-00000000000", "{019a0000-0000-7000-8000-000000000000}", "${jndi:ldap://x}", "..", "*", "a%2Fb",
    ];

    private static readonly string[] Verbs = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FOO"];

    public HttpRequestMessage Next(Uri address)
    {
        var call = calls[random.Next(calls.Count)];
        var method = random.Next(20) == 0 ? Any(Verbs) : call.Method;
        var path = string.Join('/', call.Path.Split('/').Select(part => part.StartsWith('{') ? Text() : part));
        if (random.Next(20) == 0)
        {
            path = path.Insert(random.Next(1, path.Length), Any(["/", "//", "/./", "%2f", "%00", ";x=1", "\\", "%5c", "?", "/../"]));
        }

        var query = string.Join('&', call.Query.Append("x").Where(_ => random.Next(3) > 0).SelectMany(name =>
            Enumerable.Repeat(name, random.Next(1, 3)).Select(one => $"{one}={Text()}")));

        // As it is: a client library would tidy it up.
        var uri = new Uri(
            $"{address.GetLeftPart(UriPartial.Authority)}{path}?{query}",
            new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var request = new HttpRequestMessage(new HttpMethod(method), uri);
        AddCredentials(request);
        for (var extra = random.Next(3); extra > 0; extra--)
        {
            request.Headers.TryAddWithoutValidation(
                Any([
                    "If-None-Match", "Accept", "Accept-Encoding", "Idempotency-Key", "traceparent", "X-Forwarded-For", "Origin",
                    "Last-Event-ID", "Range", "Expect"]),
                Any([
                    "", "*", "\"", "W/\"", "br;q=2, gzip;q=x", "00-zz-zz-01", "::1, unknown", new string('x', random.Next(4_000)), "a\tb",
                    "null", "bytes=0-"]));
        }
        if (method is not ("GET" or "HEAD" or "TRACE" or "DELETE" or "OPTIONS") || random.Next(10) == 0)
        {
            AddBody(request, call.Body ?? []);
        }

        return request;
    }

    /// <summary>The same once more: a client sends no request twice.</summary>
    public static HttpRequestMessage Copy(HttpRequestMessage request)
    {
        var copy = new HttpRequestMessage(request.Method, request.RequestUri) { Content = request.Content };
        foreach (var (name, values) in request.Headers.NonValidated)
        {
            copy.Headers.TryAddWithoutValidation(name, values);
        }

        return copy;
    }

    public static string Show(HttpRequestMessage request) =>
        $"{request}\n{request.Content?.ReadAsStringAsync().Result[..Math.Min(2_000, request.Content.ReadAsStringAsync().Result.Length)]}";

    private void AddCredentials(HttpRequestMessage request)
    {
        var access = random.Next(5) switch
        {
            0 => null,
            1 => $"Bearer {AccessTokens.For(strangersKey, victim.UserId, admin: true)}",
            2 => Any(
                ["Bearer", "Bearer x.y.z", "Basic eDp4", "Bearer "
                    + new string('A', 6_000), "bearer\t", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0."]),
            3 => $"Bearer {victim.AccessToken}",
            _ => $"Bearer {adminToken}",
        };
        if (access is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", access);
        }

        var place = random.Next(4) switch
        {
            0 => null,
            1 => Damaged(victim.QueueToken!),
            _ => victim.QueueToken,
        };
        if (place is not null)
        {
            request.Headers.TryAddWithoutValidation("Queue-Token", place);
        }

        if (random.Next(3) > 0)
        {
            request.Headers.TryAddWithoutValidation(
                "Idempotency-Key", Any(["", "k", new string('k', 255), new string('k', 256), "ключ", "a b"]));
        }
    }

    private void AddBody(HttpRequestMessage request, IReadOnlyList<FuzzMember> members)
    {
        var text = members.Count == 0 || random.Next(6) == 0 ? Garbage() : Broken(members);
        var bytes = Encoding.UTF8.GetBytes(text);
        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        switch (random.Next(12))
        {
            case 0:
                content.Headers.Remove("Content-Type");
                content.Headers.TryAddWithoutValidation(
                    "Content-Type",
                    Any([
                        "text/plain", "", "application/x-www-form-urlencoded", "application/json;charset=utf-16", "*/*",
                        "application/xml"]));
                break;
            case 1:
                content = new ByteArrayContent(Bomb());
                content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
                content.Headers.ContentEncoding.Add(Any(["gzip", "br", "deflate"]));
                break;
        }
        request.Content = content;
    }

    /// <summary>An object with every member, one of them with a value that cannot be meant, and harmless things around it.</summary>
    private string Broken(IReadOnlyList<FuzzMember> members)
    {
        var fault = random.Next(members.Count);
        var parts = members.Select((member, index) => index != fault
            ? $"\"{member.Name}\":{(member.Type == "integer" ? "1" : "\"main\"")}"
            : member.Required && random.Next(4) == 0 ? "\"x\":1"
            : $"\"{member.Name}\":{Any(member.Type == "integer" ? [.. Numbers.Where(number => number != "null")] : NotStrings)}").ToList();
        if (members[fault].Type == "integer" && parts[fault].EndsWith(":9007199254740993", StringComparison.Ordinal))
        {
            parts[fault] += "0000000000";
        }

        if (random.Next(4) == 0)
        {
            parts.Insert(
                0,
                Any([
                    "\"x\":null", "\"__proto__\":{\"admin\":true}", "\"userId\":1", "\"\":\"\"",
                    $"\"deep\":{new string('[', 40)}{new string(']', 40)}", "\"😀\":\"\\u0000\""]));
        }

        var text = "{" + string.Join(',', parts) + "}";
        return random.Next(8) switch
        {
            0 => text[..random.Next(text.Length)],
            1 => text + Any(["x", "{}", ",", "\0"]),
            _ => text,
        };
    }

    private string Garbage() => random.Next(9) switch
    {
        0 => " ",
        1 => new string('[', 10_000),
        2 => string.Concat(Enumerable.Repeat("{\"a\":", 2_000)),
        3 => new string('9', 10_000),
        4 => $"\"{new string('x', 17 * 1024)}\"",
        5 => Any(["null", "[]", "1", "\"x\"", "true", "[null]", "{", "}", "\0", "\uFEFF[]", "<a/>", "a=b&c=d"]),
        6 => Encoding.Latin1.GetString(Bytes(random.Next(1, 500))),
        7 => "{\"" + new string('k', 8_000) + "\":[}",
        _ => "{/* comment */]",
    };

    private byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        bytes[0] = (byte)']'; // no JSON starts so
        return bytes;
    }

    private static readonly Lazy<byte[]> BombBytes = new(() =>
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.SmallestSize))
        {
            gzip.Write(new byte[10_000_000]);
        }

        return target.ToArray();
    });

    private static byte[] Bomb() => BombBytes.Value;

    private string Damaged(string token) => random.Next(4) switch
    {
        0 => token[..random.Next(token.Length)],
        1 => token + Any(["A", "=", "%", ".", "\u00e9"]),
        2 => new string('A', random.Next(5_000)),
        _ => new StringBuilder(token) { [random.Next(token.Length)] = '_' } + "_",
    };

    private string Text() => random.Next(15) == 0 ? new string('9', random.Next(1_000)) : Any(Texts);

    private string Any(string[] choices) => choices[random.Next(choices.Length)];
}
