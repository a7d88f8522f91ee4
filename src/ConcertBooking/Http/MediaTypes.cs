using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Net.Http.Headers;

namespace ConcertBooking.Http;

internal static class MediaTypes
{
    private const string Json = "application/json";

    /// <summary>
    /// Content negotiation of requests: JSON is UTF-8 (RFC 8259), so another or an invalid charset is refused here. The framework
    /// would look up an encoding of that name, quotes included, and fail; so the parameters are removed.
    /// </summary>
    public static void UseMediaTypes(this WebApplication app) => app.Use(static (context, next) =>
    {
        var request = context.Request;
        if (request.Headers.ContentType.Count > 0 && context.GetEndpoint()?.Metadata.GetMetadata<IAcceptsMetadata>() is not null)
        {
            if (!IsUtf8Json(request.ContentType))
            {
                return Problems.UnsupportedMediaType.ExecuteAsync(context);
            }

            request.ContentType = Json;
        }

        return next(context);
    });

    private static bool IsUtf8Json(string? contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var type)
            || !type.MediaType.Equals(Json, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        foreach (var parameter in type.Parameters)
        {
            if (parameter.Name.Equals("charset", StringComparison.OrdinalIgnoreCase)
                && !HeaderUtilities.UnescapeAsQuotedString(parameter.Value).Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            {
                return false;
            }
        }

        return true;
    }
}
