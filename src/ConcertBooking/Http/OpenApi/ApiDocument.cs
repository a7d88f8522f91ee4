using Microsoft.OpenApi;

namespace ConcertBooking.Http.OpenApi;

/// <summary>A group of calls in the OpenAPI document.</summary>
internal sealed record ApiTag(string Name, string Description);

/// <summary>
/// The OpenAPI document: adds tags, credentials, and what <see cref="RouteDocumentation"/> says to what the framework generates. It
/// is made for each request of it, and nothing of it at start.
/// </summary>
internal static class ApiDocument
{
    public const string AccessTokenScheme = "accessToken";
    public const string QueueTokenScheme = "queueToken";
    public const string QueueTokenHeader = "Queue-Token";
    public const string QueueTokenDescription = "The newest token of the caller's place in a queue: the `token` of the last answer.";

    /// <param name="tags">In the order in which the document lists them.</param>
    /// <param name="introduction">Markdown.</param>
    public static IServiceCollection AddDocument(
        this IServiceCollection services, IReadOnlyList<ApiTag> tags, string introduction) => services.AddOpenApi("v1", options =>
    {
        options.ShouldInclude = static call => !HttpMethods.IsHead(call.HttpMethod ?? ""); // documented by GET
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info.Title = "ConcertBooking";
            document.Info.Description = introduction;
            document.Servers?.Clear();
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = SecuritySchemes();
            document.Components.Schemas ??= new Dictionary<string, IOpenApiSchema>();
            document.Components.Schemas["Problem"] = ProblemSchema();
            var used = document.Tags?.Select(static tag => tag.Name).ToHashSet() ?? [];
            document.Tags = tags.Where(tag => used.Contains(tag.Name))
                .Select(static tag => new OpenApiTag { Name = tag.Name, Description = tag.Description }).ToHashSet();
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
            ApiOperation.Describe(operation, context);
            return Task.CompletedTask;
        });
    });

    private static Dictionary<string, IOpenApiSecurityScheme> SecuritySchemes() => new()
    {
        [AccessTokenScheme] = new OpenApiSecurityScheme
        {
            Type = SecuritySchemeType.Http,
            Scheme = "bearer",
            BearerFormat = "JWT",
            Description = "An access token of the issuer, which names the user and may carry a role (`admin` or `cashier`).",
        },
        [QueueTokenScheme] = new OpenApiSecurityScheme
        {
            Type = SecuritySchemeType.ApiKey,
            In = ParameterLocation.Header,
            Name = QueueTokenHeader,
            Description = QueueTokenDescription,
        },
    };

    private static OpenApiSchema ProblemSchema() => new()
    {
        Type = JsonSchemaType.Object,
        Description = "RFC 9457 problem details with a stable machine name.",
        Required = new HashSet<string> { "type", "title", "status", "detail", "code", "traceId" },
        Properties = new Dictionary<string, IOpenApiSchema>
        {
            ["type"] = Text("A URN that ends with the code."),
            ["title"] = Text("The same for every response with this code."),
            ["status"] = new OpenApiSchema { Type = JsonSchemaType.Integer, Description = "The status of the response." },
            ["detail"] = Text("What was wrong with this request."),
            ["code"] = Text("The name for programs; it never changes."),
            ["traceId"] = Text("To find the request in traces and logs."),
            ["seatNos"] = new OpenApiSchema
            {
                Type = JsonSchemaType.Array,
                Description = "Of `seat_taken`: which seats were.",
                Items = new OpenApiSchema { Type = JsonSchemaType.Integer },
            },
            ["errors"] = new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Description = "Of `invalid_request`: what was wrong, by field.",
                AdditionalProperties = new OpenApiSchema
                {
                    Type = JsonSchemaType.Array,
                    Items = new OpenApiSchema { Type = JsonSchemaType.String },
                },
            },
        },
    };

    private static OpenApiSchema Text(string description) => new() { Type = JsonSchemaType.String, Description = description };
}
