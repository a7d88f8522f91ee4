using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Extensions.Options;
using MySqlConnector;

namespace ConcertBooking.Http;

/// <summary>
/// Writes problems of the framework, such as validation errors, like all others. It ignores the Accept header, because a
/// request is refused even if its client cannot read the response.
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

/// <summary>The outermost middleware: turns exceptions, and error responses without a body, into problem+json.</summary>
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
            return; // The client has disconnected.
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            var headers = context.Response.Headers;
            headers.Remove("Content-Length");
            headers.Remove("ETag");
            Log(exception);
            await Of(exception, context).ExecuteAsync(context);
            return;
        }

        if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null, ContentLength: null or 0 })
        {
            var problem = context.Response.StatusCode is StatusCodes.Status413PayloadTooLarge
                ? BodyLimit.Exceeded(context.GetEndpoint())
                : Problems.ForStatus(context.Response.StatusCode);
            await problem.ExecuteAsync(context);
        }
    }

    private static Problem Of(Exception exception, HttpContext context) => exception switch
    {
        BadHttpRequestException { InnerException: JsonException json } => Problems.InvalidRequest.With(Fields(json, context)),
        BadHttpRequestException { StatusCode: 413 } => BodyLimit.Exceeded(context.GetEndpoint()),
        _ => Of(exception),
    };

    /// <summary>The problem that a client gets for an exception.</summary>
    public static Problem Of(Exception exception) => exception switch
    {
        BadHttpRequestException { StatusCode: 400 } => Problems.InvalidRequest.With("The request could not be read."),
        BadHttpRequestException bad => Problems.ForStatus(bad.StatusCode),
        // A server that is shutting down reports various errors. They are logged, and the client should retry.
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

    public const string WrongTypeMessage = "The value is malformed or of the wrong type.";

    private static readonly string[] MissingValue = ["The value is missing."];
    private static readonly string[] WrongType = [WrongTypeMessage];
    private static readonly string[] NotTheShape = ["The body is not a JSON object of the documented shape."];

    /// <summary>
    /// The fields that a body was refused for: the one at the error's path (<c>$.rows[1].seats</c>), or the missing ones of the
    /// object there; <c>body</c> when it is not a JSON object.
    /// </summary>
    private static Dictionary<string, string[]> Fields(JsonException exception, HttpContext context)
    {
        var path = exception.Path is { Length: > 2 } steps && steps.StartsWith("$.", StringComparison.Ordinal) ? steps[2..] : "";
        var missing = MissingFields(exception, path, context);
        return missing.Count > 0 ? missing
            : path.Length > 0 ? new Dictionary<string, string[]> { [path] = WrongType }
            : new Dictionary<string, string[]> { ["body"] = NotTheShape };
    }

    /// <summary>
    /// System.Text.Json reports missing properties only in the exception's message, which quotes their names. So these are the
    /// properties of the type at the path that it quotes; the wording does not matter.
    /// </summary>
    private static Dictionary<string, string[]> MissingFields(JsonException exception, string path, HttpContext context)
    {
        var json = context.RequestServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        var type = TypeInfo(json, context.GetEndpoint()?.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType);
        foreach (var step in path.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            var name = step.Split('[')[0];
            type = TypeInfo(json, type?.Properties.FirstOrDefault(property => property.Name == name)?.PropertyType);
            type = step.Contains('[', StringComparison.Ordinal) ? TypeInfo(json, type?.ElementType) : type;
        }

        return type is null ? [] : type.Properties
            .Where(property => exception.Message.Contains($"'{property.Name}'", StringComparison.Ordinal))
            .ToDictionary(property => path.Length > 0 ? $"{path}.{property.Name}" : property.Name, static _ => MissingValue);
    }

    private static JsonTypeInfo? TypeInfo(JsonSerializerOptions json, Type? type) =>
        type is not null && json.TryGetTypeInfo(type, out var info) ? info : null;

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database did not answer a request: {Reason}")]
    private partial void LogDatabase(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unhandled exception")]
    private partial void LogUnhandled(Exception exception);
}
