using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ConcertBooking.Http;

/// <summary>
/// An error response: a stable machine-readable code, its status and its title. As a result it writes RFC 9457
/// problem+json; <see cref="With(string)"/> adds details of one response.
/// </summary>
internal sealed record Problem(int Status, string Code, string Title) : IResult
{
    public string? Detail { get; private init; }

    public int? RetryAfterSeconds { get; init; }

    /// <summary>Of <c>seat_taken</c>: which of several seats were.</summary>
    public IReadOnlyList<int>? SeatNos { get; init; }

    public IReadOnlyDictionary<string, string[]>? Errors { get; private init; }

    public string Type => $"urn:concert-booking:problem:{Code}";

    public static string TraceId(HttpContext context) => Activity.Current?.TraceId.ToHexString() ?? context.TraceIdentifier;

    public Problem With(string detail) => this with { Detail = detail };

    public Problem With(IReadOnlyDictionary<string, string[]> errors) => this with { Errors = errors };

    /// <summary>An error in one field of the request.</summary>
    public static Problem Invalid(string field, string message) =>
        Problems.InvalidRequest.With(new Dictionary<string, string[]> { [field] = [message] });

    public async Task ExecuteAsync(HttpContext context)
    {
        var response = context.Response;
        response.StatusCode = Status;
        response.ContentType = "application/problem+json";
        response.Headers.CacheControl = "no-store";
        if (RetryAfterSeconds is { } seconds)
        {
            response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, TraceId(context));
        response.ContentLength = buffer.WrittenCount;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(buffer.WrittenMemory, context.RequestAborted);
        }
    }

    /// <summary>The body for the OpenAPI document.</summary>
    public JsonNode ToExample()
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, "4bf92f3577b34da6a3ce929d0e0e4736");
        return JsonNode.Parse(buffer.WrittenSpan)!;
    }

    private void Write(ArrayBufferWriter<byte> buffer, string traceId)
    {
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("type", Type);
        json.WriteString("title", Title);
        json.WriteNumber("status", Status);
        json.WriteString("detail", Detail ?? Title);
        json.WriteString("code", Code);
        json.WriteString("traceId", traceId);
        if (SeatNos is not null)
        {
            json.WriteStartArray("seatNos");
            foreach (var seatNo in SeatNos)
            {
                json.WriteNumberValue(seatNo);
            }

            json.WriteEndArray();
        }

        if (Errors is not null)
        {
            json.WriteStartObject("errors");
            foreach (var (field, messages) in Errors)
            {
                json.WriteStartArray(field);
                foreach (var message in messages)
                {
                    json.WriteStringValue(message);
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
