using System.Buffers;
using System.Diagnostics;
using System.Text.Json;
using MySqlConnector;

namespace ConcertBooking.Http;

/// <summary>
/// One kind of refusal: its stable machine name, its status and its title. As a result it writes RFC 9457
/// problem+json; <see cref="With"/> adds what is particular to one answer.
/// </summary>
internal sealed record Problem(int Status, string Code, string Title) : IResult
{
    public string? Detail { get; private init; }
    public int? RetryAfterSeconds { get; init; }
    public IReadOnlyDictionary<string, string[]>? Errors { get; private init; }

    public string Type => $"urn:concert-booking:problem:{Code}";

    public static string TraceId(HttpContext context) => Activity.Current?.TraceId.ToHexString() ?? context.TraceIdentifier;

    public Problem With(string detail) => this with { Detail = detail };

    public Problem With(IReadOnlyDictionary<string, string[]> errors) => this with { Errors = errors };

    /// <summary>The refusal of one field of the request.</summary>
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
            response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, TraceId(context));
        response.ContentLength = buffer.WrittenCount;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(buffer.WrittenMemory, context.RequestAborted);
        }
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

/// <summary>Every code that a client can meet, in one place: the contract's names.</summary>
internal static class Problems
{
    public static readonly Problem InvalidRequest = new(400, "invalid_request", "The request is not valid.");
    public static readonly Problem IdempotencyKeyMissing = new(400, "idempotency_key_missing", "This call needs an Idempotency-Key header.");
    public static readonly Problem Unauthorized = new(401, "unauthorized", "A valid access token is needed.");
    public static readonly Problem QueueTokenMissing = new(401, "queue_token_missing", "This call needs a Queue-Token header.");
    public static readonly Problem QueueTokenInvalid = new(401, "queue_token_invalid", "The queue token is not one of ours.");
    public static readonly Problem InsufficientPoints = new(402, "insufficient_points", "The balance does not cover the price.");
    public static readonly Problem Forbidden = new(403, "forbidden", "The access token does not allow this.");
    public static readonly Problem QueueTokenNotActive = new(403, "queue_token_not_active", "The queue token is not admitted to this concert.");
    public static readonly Problem ProofOfWorkNeeded = new(403, "proof_of_work_needed", "Entering needs an answer to the challenge in Proof-Of-Work-Challenge.");
    public static readonly Problem NotFound = new(404, "not_found", "There is nothing at this path.");
    public static readonly Problem ConcertNotFound = new(404, "concert_not_found", "There is no such concert.");
    public static readonly Problem ScheduleNotFound = new(404, "schedule_not_found", "There is no such schedule.");
    public static readonly Problem SeatNotFound = new(404, "seat_not_found", "The schedule has no such seat.");
    public static readonly Problem QueueNotFound = new(404, "queue_not_found", "There is no such queue.");
    public static readonly Problem ReservationNotFound = new(404, "reservation_not_found", "There is no such reservation.");
    public static readonly Problem PaymentNotFound = new(404, "payment_not_found", "There is no such payment.");
    public static readonly Problem MethodNotAllowed = new(405, "method_not_allowed", "This path does not take that method.");
    public static readonly Problem RequestTimeout = new(408, "request_timeout", "The request did not arrive in time.");
    public static readonly Problem SeatTaken = new(409, "seat_taken", "The seat is taken.");
    public static readonly Problem ScheduleClosed = new(409, "schedule_closed", "The concert has already started.");
    public static readonly Problem HoldLimitReached = new(409, "hold_limit_reached", "This user holds as many seats as allowed.");
    public static readonly Problem AlreadyPaid = new(409, "already_paid", "The reservation is already paid.");
    public static readonly Problem IdempotencyKeyInUse = new(409, "idempotency_key_in_use", "The first request with this key is still running.") { RetryAfterSeconds = 1 };
    public static readonly Problem BalanceLimitExceeded = new(409, "balance_limit_exceeded", "The balance would exceed its limit.");
    public static readonly Problem QueueTokenExpired = new(410, "queue_token_expired", "The place in the queue has ended.");
    public static readonly Problem HoldExpired = new(410, "hold_expired", "The hold has ended.");
    public static readonly Problem BodyTooLarge = new(413, "body_too_large", "The body is larger than 16 KiB.");
    public static readonly Problem UnsupportedMediaType = new(415, "unsupported_media_type", "The body must be application/json in UTF-8.");
    public static readonly Problem IdempotencyKeyReused = new(422, "idempotency_key_reused", "The key was used with another body.");
    public static readonly Problem TooManyRequests = new(429, "too_many_requests", "Too many requests.") { RetryAfterSeconds = 1 };
    public static readonly Problem Internal = new(500, "internal_error", "Something went wrong on our side.");
    public static readonly Problem QueueUnavailable = new(503, "queue_unavailable", "The waiting room cannot be reached; try again.") { RetryAfterSeconds = 2 };
    public static readonly Problem QueueFull = new(503, "queue_full", "The waiting room is full; try again later.") { RetryAfterSeconds = 30 };
    public static readonly Problem RankingsUnavailable = new(503, "rankings_unavailable", "The rankings cannot be reached; try again.") { RetryAfterSeconds = 2 };
    public static readonly Problem IssuerUnavailable = new(503, "issuer_unavailable", "The issuer of access tokens cannot be reached; try again.") { RetryAfterSeconds = 2 };
    public static readonly Problem DatabaseUnavailable = new(503, "database_unavailable", "The database cannot be reached; try again.") { RetryAfterSeconds = 1 };

    /// <summary>The problem for a status that the framework chose (unknown path, wrong verb, missing credential).</summary>
    public static Problem ForStatus(int status) => status switch
    {
        400 => InvalidRequest,
        401 => Unauthorized,
        403 => Forbidden,
        404 => NotFound,
        405 => MethodNotAllowed,
        408 => RequestTimeout,
        413 => BodyTooLarge,
        415 => UnsupportedMediaType,
        429 => TooManyRequests,
        >= 500 => Internal with { Status = status },
        _ => new Problem(status, "unknown", "The request was refused."),
    };
}

/// <summary>
/// Writes the problems that the framework finds, those of validation, like all others: whatever the request accepts,
/// since a client that cannot read a refusal is still refused.
/// </summary>
internal sealed class FrameworkProblems : IProblemDetailsWriter
{
    public bool CanWrite(ProblemDetailsContext context) => true;

    public async ValueTask WriteAsync(ProblemDetailsContext context)
    {
        var problem = Problems.ForStatus(context.ProblemDetails.Status ?? context.HttpContext.Response.StatusCode);
        if (context.ProblemDetails is HttpValidationProblemDetails validation)
        {
            problem = problem.With(validation.Errors.ToDictionary(
                static error => JsonNamingPolicy.CamelCase.ConvertName(error.Key), static error => error.Value));
        }

        await problem.ExecuteAsync(context.HttpContext);
    }
}

/// <summary>The outermost layer: whatever leaves without a body or as an exception becomes problem+json.</summary>
internal sealed partial class ProblemMiddleware(RequestDelegate next, ILogger<ProblemMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return; // The client left; nobody reads an answer.
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            var headers = context.Response.Headers;
            headers.Remove("Content-Length");
            headers.Remove("ETag");
            Log(exception);
            await Of(exception).ExecuteAsync(context);
            return;
        }

        if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null, ContentLength: null or 0 })
        {
            await Problems.ForStatus(context.Response.StatusCode).ExecuteAsync(context);
        }
    }

    /// <summary>What a client is told of an exception.</summary>
    public static Problem Of(Exception exception) => exception switch
    {
        BadHttpRequestException { InnerException: JsonException json } => Problems.InvalidRequest.With(Fields(json)),
        BadHttpRequestException { StatusCode: 400 } => Problems.InvalidRequest.With("The request could not be read."),
        BadHttpRequestException bad => Problems.ForStatus(bad.StatusCode),
        // A server that is shutting down has many words for it; whatever it was, the log has it, and asking again is right.
        DatabaseUnavailableException or MySqlException or MySqlProtocolException => Problems.DatabaseUnavailable,
        RedisUnavailableException => Problems.QueueUnavailable,
        BatchTimeoutException => Problems.TooManyRequests,
        _ => Problems.Internal,
    };

    private void Log(Exception exception)
    {
        switch (exception)
        {
            case DatabaseUnavailableException:
                LogDatabase(exception.Message);
                break;
            case not (BadHttpRequestException or RedisUnavailableException or BatchTimeoutException):
                LogUnhandled(exception);
                break;
        }
    }

    private static readonly string[] MissingValue = ["The value is missing."];
    private static readonly string[] WrongType = ["The value is malformed or of the wrong type."];
    private static readonly string[] NotTheShape = ["The body is not a JSON object of the documented shape."];

    /// <summary>
    /// The fields that a body was refused for: the one at the error's path (<c>$.seatNo</c>), or those that the
    /// message quotes as missing; <c>body</c> when it is not JSON at all.
    /// </summary>
    private static Dictionary<string, string[]> Fields(JsonException exception)
    {
        if (exception.Path is { Length: > 2 } path && path.StartsWith("$.", StringComparison.Ordinal))
        {
            return new Dictionary<string, string[]> { [path[2..]] = WrongType };
        }

        const string Missing = "missing required properties including:";
        var at = exception.Message.IndexOf(Missing, StringComparison.Ordinal);
        return at < 0
            ? new Dictionary<string, string[]> { ["body"] = NotTheShape }
            : exception.Message[(at + Missing.Length)..].Split('\'').Where(static (_, index) => index % 2 == 1).Distinct()
                .ToDictionary(static name => name, static _ => MissingValue);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database did not answer a request: {Reason}")]
    private partial void LogDatabase(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unhandled exception")]
    private partial void LogUnhandled(Exception exception);
}
