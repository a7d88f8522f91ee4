using System.Text.Json.Nodes;

namespace ConcertBooking.Http.OpenApi;

/// <summary>Endpoint metadata: the problems that a route can return.</summary>
internal sealed record ProblemCodes(Problem[] Problems);

/// <summary>Endpoint metadata: a request header or, with <paramref name="Status"/>, a response header.</summary>
internal sealed record HeaderUse(string Name, string Description, bool Required = false, int? Status = null, string? Example = null);

/// <summary>Endpoint metadata: what a parameter of the path or the query means.</summary>
internal sealed record ParameterUse(string Name, string Description, JsonNode? Example);

/// <summary>Endpoint metadata: an example of a body.</summary>
/// <param name="Create">Called when the document is requested: a start makes and serializes no example.</param>
/// <param name="Statuses">Of the responses; empty for the request.</param>
internal sealed record ExampleUse(string Name, Func<object> Create, int[] Statuses);

/// <summary>What a slice says about its route, besides what the framework reads from the handler, for the OpenAPI document.</summary>
internal static class RouteDocumentation
{
    /// <summary>
    /// The problems that the route can return. Each becomes an example too; of two with the same code the one that names fields.
    /// </summary>
    public static RouteHandlerBuilder WithProblems(this RouteHandlerBuilder route, params Problem[] problems) =>
        route.WithMetadata(new ProblemCodes(problems));

    /// <summary>The problems that every route with a JSON body can return.</summary>
    public static RouteHandlerBuilder WithBodyProblems(this RouteHandlerBuilder route) =>
        route.WithProblems(Problems.InvalidRequest, Problems.BodyTooLarge, Problems.UnsupportedMediaType);

    public static RouteHandlerBuilder WithAccessToken(this RouteHandlerBuilder route) =>
        route.WithMetadata(new CredentialUse(Credential.AccessToken)).WithProblems(
            Problems.Unauthorized, Problems.TooManyRequests, Problems.IssuerUnavailable, Problems.DatabaseUnavailable);

    public static RouteHandlerBuilder WithAdmin(this RouteHandlerBuilder route) => route.WithRole(Credential.Admin);

    public static RouteHandlerBuilder WithCashier(this RouteHandlerBuilder route) => route.WithRole(Credential.Cashier);

    private static RouteHandlerBuilder WithRole(this RouteHandlerBuilder route, Credential role) =>
        route.WithMetadata(new CredentialUse(role)).WithProblems(
            Problems.Unauthorized, Problems.Forbidden, Problems.TooManyRequests, Problems.IssuerUnavailable,
            Problems.DatabaseUnavailable);

    public static RouteHandlerBuilder WithQueueToken(this RouteHandlerBuilder route) =>
        route.WithMetadata(new CredentialUse(Credential.QueueToken))
            .WithHeader(ApiDocument.QueueTokenHeader, ApiDocument.QueueTokenDescription, required: true)
            .WithProblems(Problems.QueueTokenMissing, Problems.QueueTokenInvalid, Problems.QueueTokenExpired, Problems.TooManyRequests);

    public static RouteHandlerBuilder WithHeader(
        this RouteHandlerBuilder route, string name, string description, bool required = false, int? status = null,
        string? example = null) =>
        route.WithMetadata(new HeaderUse(name, description, required, status, example));

    /// <summary>A parameter of the path or the query, by its name in the route or the handler.</summary>
    public static RouteHandlerBuilder WithParameter(
        this RouteHandlerBuilder route, string name, string description, JsonNode? example = null) =>
        route.WithMetadata(new ParameterUse(name, description, example));

    /// <summary>An example of the response with these statuses (200 when none is given).</summary>
    /// <param name="example">
    /// Makes an instance of the record that the route returns, which is serialized as a response is; or the text of a stream.
    /// </param>
    public static RouteHandlerBuilder WithExample(this RouteHandlerBuilder route, Func<object> example, params int[] statuses) =>
        route.WithMetadata(new ExampleUse("example", example, statuses is [] ? [StatusCodes.Status200OK] : statuses));

    /// <summary>An example of the request, without its members that are null.</summary>
    public static RouteHandlerBuilder WithRequestExample(
        this RouteHandlerBuilder route, Func<object> example, string name = "example") =>
        route.WithMetadata(new ExampleUse(name, example, []));
}
