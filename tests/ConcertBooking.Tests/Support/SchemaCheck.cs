using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// Compares a value with a schema of an OpenAPI document: as much of JSON Schema as the service's document uses, and one rule more: a
/// member that the schema does not name is a fault.
/// </summary>
public sealed class SchemaCheck(JsonElement document)
{
    public static readonly string[] Known =
    [
        "$ref", "oneOf", "type", "format", "enum", "required", "properties", "additionalProperties", "items", "minimum", "maximum",
        "minLength", "maxLength", "pattern", "description", "default",
    ];

    /// <summary>What is wrong with the value, each with its place; empty when nothing is.</summary>
    public IReadOnlyList<string> Faults(JsonElement schema, JsonElement value) => [.. Faults(schema, value, "$")];

    private IEnumerable<string> Faults(JsonElement schema, JsonElement value, string at)
    {
        if (schema.TryGetProperty("$ref", out var reference))
        {
            var target = reference.GetString()!.Split('/').Skip(1).Aggregate(document, static (part, name) => part.GetProperty(name));
            return Faults(target, value, at);
        }

        if (schema.TryGetProperty("oneOf", out var choices))
        {
            var faults = choices.EnumerateArray().Select(choice => Faults(choice, value, at).ToList()).ToList();
            return faults.Any(static found => found.Count == 0) ? [] : faults.SelectMany(static found => found);
        }

        return schema.EnumerateObject().Select(static keyword => keyword.Name).Except(Known)
            .Select(keyword => $"{at}: this check does not know the keyword {keyword}")
            .Concat(TypeFaults(schema, value, at))
            .Concat(value.ValueKind switch
            {
                JsonValueKind.Object => MemberFaults(schema, value, at),
                JsonValueKind.Array => value.EnumerateArray().Index().SelectMany(
                    item => Faults(schema.GetProperty("items"), item.Item, $"{at}[{item.Index}]")),
                JsonValueKind.String => TextFaults(schema, value.GetString()!, at),
                JsonValueKind.Number => NumberFaults(schema, value.GetDecimal(), at),
                _ => [],
            });
    }

    private static IEnumerable<string> TypeFaults(JsonElement schema, JsonElement value, string at)
    {
        if (schema.TryGetProperty("enum", out var values)
            && !values.EnumerateArray().Any(one => JsonElement.DeepEquals(one, value)))
        {
            yield return $"{at}: {value.GetRawText()} is none of {values.GetRawText()}";
        }

        if (!schema.TryGetProperty("type", out var type))
        {
            yield break;
        }

        var types = type.ValueKind is JsonValueKind.Array
            ? type.EnumerateArray().Select(static one => one.GetString()).ToList()
            : [type.GetString()];
        var isOne = value.ValueKind switch
        {
            JsonValueKind.Object => types.Contains("object"),
            JsonValueKind.Array => types.Contains("array"),
            JsonValueKind.String => types.Contains("string"),
            JsonValueKind.Number => types.Contains("number") || (types.Contains("integer") && value.TryGetInt64(out _)),
            JsonValueKind.True or JsonValueKind.False => types.Contains("boolean"),
            _ => types.Contains("null"),
        };
        if (!isOne)
        {
            yield return $"{at}: {value.GetRawText()} is not {string.Join(" or ", types)}";
        }
    }

    private IEnumerable<string> MemberFaults(JsonElement schema, JsonElement value, string at)
    {
        foreach (var name in schema.TryGetProperty("required", out var required) ? required.EnumerateArray().ToList() : [])
        {
            if (!value.TryGetProperty(name.GetString()!, out _))
            {
                yield return $"{at}.{name.GetString()} is missing";
            }
        }

        foreach (var member in value.EnumerateObject())
        {
            var found = schema.TryGetProperty("properties", out var properties) && properties.TryGetProperty(member.Name, out var known)
                ? known
                : schema.TryGetProperty("additionalProperties", out var more) && more.ValueKind is JsonValueKind.Object ? more : default;
            foreach (var fault in found.ValueKind is JsonValueKind.Object
                ? Faults(found, member.Value, $"{at}.{member.Name}")
                : [$"{at}.{member.Name} is not in the schema"])
            {
                yield return fault;
            }
        }
    }

    private static IEnumerable<string> TextFaults(JsonElement schema, string text, string at)
    {
        if ((schema.TryGetProperty("minLength", out var shortest) && text.Length < shortest.GetInt32())
            || (schema.TryGetProperty("maxLength", out var longest) && text.Length > longest.GetInt32()))
        {
            yield return $"{at}: a text of {text.Length} characters";
        }

        if (schema.TryGetProperty("pattern", out var pattern) && !Regex.IsMatch(text, pattern.GetString()!))
        {
            yield return $"{at}: {text} does not match {pattern.GetString()}";
        }

        if (schema.TryGetProperty("format", out var format) && format.GetString() == "date-time"
            && !(text.EndsWith('Z') && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out _)))
        {
            yield return $"{at}: {text} is not a time in UTC";
        }
    }

    private static IEnumerable<string> NumberFaults(JsonElement schema, decimal number, string at)
    {
        if ((schema.TryGetProperty("minimum", out var least) && (double)number < least.GetDouble())
            || (schema.TryGetProperty("maximum", out var most) && (double)number > most.GetDouble()))
        {
            yield return $"{at}: {number} is out of range";
        }
    }
}
