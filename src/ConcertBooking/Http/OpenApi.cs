using Microsoft.OpenApi;

namespace ConcertBooking.Http;

/// <summary>Endpoint metadata: the problems that a route can return.</summary>
internal sealed record ProblemCodes(Problem[] Problems);

/// <summary>Endpoint metadata: a request header or, with <paramref name="Status"/>, a response header.</summary>
internal sealed record HeaderUse(string Name, string Description, bool Required = false, int? Status = null);

/// <summary>The OpenAPI document: adds problem codes, headers and credentials to what the framework generates.</summary>
internal static class OpenApi
{
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
            .WithHeader("Queue-Token", "The newest token of the caller's place.", required: true)
            .WithProblems(Problems.QueueTokenMissing, Problems.QueueTokenInvalid, Problems.QueueTokenExpired, Problems.TooManyRequests);

    public static RouteHandlerBuilder WithHeader(
        this RouteHandlerBuilder route, string name, string description, bool required = false, int? status = null) =>
        route.WithMetadata(new HeaderUse(name, description, required, status));

    public static IServiceCollection AddDocument(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.ShouldInclude = static call => !HttpMethods.IsHead(call.HttpMethod ?? ""); // documented by GET
        options.AddDocumentTransformer(static (document, _, _) =>
        {
            document.Info.Title = "ConcertBooking";
            document.Info.Description = "Waiting room, seats, holds and payments by points.";
            document.Servers?.Clear();
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                ["accessToken"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", BearerFormat = "JWT" },
                ["queueToken"] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.ApiKey,
                    In = ParameterLocation.Header,
                    Name = "Queue-Token",
                    Description = "The newest token of the caller's place.",
                },
            };
            document.Components.Schemas ??= new Dictionary<string, IOpenApiSchema>();
            document.Components.Schemas["Problem"] = ProblemSchema();
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer(static (schema, context, _) =>
        {
            if (context.JsonTypeInfo.Converter is UtcTimeConverter || context.JsonTypeInfo.Type == typeof(DateTimeOffset?))
            {
                // The framework knows nothing of a type with a converter of its own.
                schema.Type = JsonSchemaType.String | (context.JsonTypeInfo.Converter is UtcTimeConverter ? 0 : JsonSchemaType.Null);
                schema.Format = "date-time";
            }

            schema.AdditionalPropertiesAllowed &= !context.JsonTypeInfo.Type.IsAssignableTo(typeof(IPatch));
            foreach (var property in context.JsonTypeInfo.Properties.Where(static property => property.ShouldSerialize is not null))
            {
                schema.Required?.Remove(property.Name); // it is left out when it is null
            }

            return Task.CompletedTask;
        });
        options.AddOperationTransformer(static (operation, context, _) =>
        {
            var metadata = context.Description.ActionDescriptor.EndpointMetadata;
            Describe(operation, metadata.OfType<HeaderUse>());
            Describe(operation, metadata.OfType<ProblemCodes>().SelectMany(codes => codes.Problems), context.Document);
            Secure(operation, metadata, context.Document);
            return Task.CompletedTask;
        });
    });

    private static void Describe(OpenApiOperation operation, IEnumerable<HeaderUse> headers)
    {
        foreach (var header in headers)
        {
            if (header.Status is not { } status)
            {
                operation.Parameters ??= [];
                operation.Parameters.Add(new OpenApiParameter
                {
                    Name = header.Name,
                    In = ParameterLocation.Header,
                    Required = header.Required,
                    Description = header.Description,
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                });
            }
            else if (operation.Responses?[status.ToString(System.Globalization.CultureInfo.InvariantCulture)] is OpenApiResponse response)
            {
                response.Headers ??= new Dictionary<string, IOpenApiHeader>();
                response.Headers[header.Name] = new OpenApiHeader
                {
                    Description = header.Description,
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                };
            }
        }
    }

    private static void Describe(OpenApiOperation operation, IEnumerable<Problem> problems, OpenApiDocument? document)
    {
        operation.Responses ??= [];
        foreach (var group in problems.Distinct().GroupBy(problem => problem.Status))
        {
            var response = new OpenApiResponse
            {
                Description = string.Join(", ", group.Select(problem => $"`{problem.Code}`")),
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    ["application/problem+json"] = new() { Schema = new OpenApiSchemaReference("Problem", document) },
                },
            };
            if (group.Any(problem => problem.RetryAfterSeconds is not null))
            {
                response.Headers = new Dictionary<string, IOpenApiHeader>
                {
                    ["Retry-After"] = new OpenApiHeader
                    {
                        Description = "Seconds to wait.",
                        Schema = new OpenApiSchema { Type = JsonSchemaType.Integer },
                    },
                };
            }

            operation.Responses[group.Key.ToString(System.Globalization.CultureInfo.InvariantCulture)] = response;
        }
    }

    private static void Secure(OpenApiOperation operation, IList<object> metadata, OpenApiDocument? document)
    {
        if (metadata.OfType<CredentialUse>().LastOrDefault() is { } use)
        {
            var scheme = use.Needed is Credential.QueueToken ? "queueToken" : "accessToken";
            operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(scheme, document)] = [] }];
        }
    }

    private static OpenApiSchema ProblemSchema() => new()
    {
        Type = JsonSchemaType.Object,
        Description = "RFC 9457 problem details with a stable machine name.",
        Required = new HashSet<string> { "type", "title", "status", "detail", "code", "traceId" },
        Properties = new Dictionary<string, IOpenApiSchema>
        {
            ["type"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["title"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["status"] = new OpenApiSchema { Type = JsonSchemaType.Integer },
            ["detail"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["code"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["traceId"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["errors"] = new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                AdditionalProperties = new OpenApiSchema
                {
                    Type = JsonSchemaType.Array,
                    Items = new OpenApiSchema { Type = JsonSchemaType.String },
                },
            },
        },
    };
}
