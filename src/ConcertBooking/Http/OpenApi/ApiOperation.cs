using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;

namespace ConcertBooking.Http.OpenApi;

/// <summary>One operation of the document: its headers, parameters, examples, problems and credential.</summary>
internal static class ApiOperation
{
    public static void Describe(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        var json = context.ApplicationServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        Describe(operation, metadata.OfType<ExampleUse>(), json);
        Describe(operation, metadata.OfType<HeaderUse>());
        Describe(operation, metadata.OfType<ParameterUse>());
        Describe(operation, metadata.OfType<ProblemCodes>().SelectMany(static codes => codes.Problems), context.Document);
        Secure(operation, metadata, context.Document);
    }

    private static void Describe(OpenApiOperation operation, IEnumerable<HeaderUse> headers)
    {
        foreach (var header in headers)
        {
            var schema = new OpenApiSchema { Type = JsonSchemaType.String };
            if (header.Status is not { } status)
            {
                operation.Parameters ??= [];
                operation.Parameters.Add(new OpenApiParameter
                {
                    Name = header.Name,
                    In = ParameterLocation.Header,
                    Required = header.Required,
                    Description = header.Description,
                    Schema = schema,
                    Example = header.Example,
                    Examples = header.Name == ApiDocument.QueueTokenHeader ? LeftToTheCredential(operation) : null,
                });
            }
            else if (operation.Responses?[Key(status)] is OpenApiResponse response)
            {
                response.Headers ??= new Dictionary<string, IOpenApiHeader>();
                response.Headers[header.Name] = new OpenApiHeader { Description = header.Description, Schema = schema };
            }
        }
    }

    /// <summary>
    /// For a header that is a credential too. The API reference would send it twice: its extension <c>x-disabled</c> prevents that, in
    /// an example with the name of the request's.
    /// </summary>
    private static Dictionary<string, IOpenApiExample> LeftToTheCredential(OpenApiOperation operation)
    {
        var names = operation.RequestBody?.Content?.Values.FirstOrDefault()?.Examples?.Keys ?? ["example"];
        return names.ToDictionary(static name => name, static _ => (IOpenApiExample)new OpenApiExample
        {
            Value = "AQRtYWluAAAAKgAB3yHm4Xc",
            Extensions = new Dictionary<string, IOpenApiExtension> { ["x-disabled"] = new JsonNodeExtension(true) },
        });
    }

    private static void Describe(OpenApiOperation operation, IEnumerable<ParameterUse> uses)
    {
        foreach (var use in uses)
        {
            if (operation.Parameters?.FirstOrDefault(parameter => parameter.Name == use.Name) is OpenApiParameter parameter)
            {
                parameter.Description = use.Description;
                parameter.Example = use.Example;
            }
        }
    }

    private static void Describe(OpenApiOperation operation, IEnumerable<ExampleUse> examples, JsonSerializerOptions json)
    {
        foreach (var use in examples)
        {
            var body = use.Create();
            var value = body is string text
                ? JsonValue.Create(text)
                : JsonSerializer.SerializeToNode(body, json.GetTypeInfo(body.GetType()));
            if (use.Statuses is [])
            {
                RemoveNulls(value);
                Add(operation.RequestBody?.Content, use.Name, null, value);
            }

            foreach (var status in use.Statuses)
            {
                Add(operation.Responses?[Key(status)].Content, use.Name, null, value);
            }
        }
    }

    /// <summary>The problems by status, each with the body that the service would write.</summary>
    private static void Describe(OpenApiOperation operation, IEnumerable<Problem> problems, OpenApiDocument? document)
    {
        operation.Responses ??= [];
        foreach (var group in problems.GroupBy(static problem => problem.Status))
        {
            var content = new OpenApiMediaType { Schema = new OpenApiSchemaReference("Problem", document) };
            var response = new OpenApiResponse
            {
                Description = string.Join(", ", group.Select(static problem => $"`{problem.Code}`").Distinct()),
                Content = new Dictionary<string, OpenApiMediaType> { ["application/problem+json"] = content },
            };
            foreach (var same in group.GroupBy(static problem => problem.Code))
            {
                var problem = same.FirstOrDefault(static one => one.Errors is not null) ?? same.First();
                Add(response.Content, problem.Code, problem.Title, WithFields(problem, operation).ToExample());
            }

            if (group.Any(static problem => problem.RetryAfterSeconds is not null))
            {
                response.Headers = new Dictionary<string, IOpenApiHeader>
                {
                    ["Retry-After"] = new OpenApiHeader
                    {
                        Description = "Seconds to wait.",
                        Schema = new OpenApiSchema { Type = JsonSchemaType.Integer },
                        Example = group.Max(static problem => problem.RetryAfterSeconds),
                    },
                };
            }

            operation.Responses[Key(group.Key)] = response;
        }
    }

    /// <summary>A body is refused for one of its members: in the example for the first.</summary>
    private static Problem WithFields(Problem problem, OpenApiOperation operation)
    {
        var request = operation.RequestBody?.Content?.Values.FirstOrDefault()?.Examples?.Values.FirstOrDefault()?.Value as JsonObject;
        return problem == Problems.InvalidRequest && request is { Count: > 0 }
            ? Problem.Invalid(request.First().Key, ProblemMiddleware.WrongTypeMessage)
            : problem;
    }

    private static void Secure(OpenApiOperation operation, IList<object> metadata, OpenApiDocument? document)
    {
        if (metadata.OfType<CredentialUse>().LastOrDefault() is { } use)
        {
            var scheme = use.Needed is Credential.QueueToken ? ApiDocument.QueueTokenScheme : ApiDocument.AccessTokenScheme;
            operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(scheme, document)] = [] }];
        }
    }

    private static void Add(IDictionary<string, OpenApiMediaType>? content, string name, string? summary, JsonNode? value)
    {
        foreach (var body in content?.Values ?? [])
        {
            body.Examples ??= new Dictionary<string, IOpenApiExample>();
            body.Examples[name] = new OpenApiExample { Summary = summary, Value = value };
        }
    }

    private static void RemoveNulls(JsonNode? node)
    {
        if (node is JsonObject members)
        {
            foreach (var (name, value) in members.ToList())
            {
                if (value is null)
                {
                    members.Remove(name);
                }

                RemoveNulls(value);
            }
        }
        else if (node is JsonArray items)
        {
            foreach (var item in items)
            {
                RemoveNulls(item);
            }
        }
    }

    private static string Key(int status) => status.ToString(CultureInfo.InvariantCulture);
}
