using System.Security.Cryptography;
using Scalar.AspNetCore;

namespace ConcertBooking.Http.OpenApi;

/// <summary>
/// The OpenAPI document as a page to read and to try calls, of Scalar, whose script is in the binary. What would call Scalar's
/// servers is turned off here; the Content-Security-Policy forbids it in any case.
/// </summary>
internal static class ApiReference
{
    public const string Path = "/scalar";

    public static void MapApiReference(this IEndpointRouteBuilder routes) => routes.MapScalarApiReference(Path, static (page, context) =>
    {
        var nonce = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        page.WithTitle("ConcertBooking").WithNonce(nonce)
            .DisableAgent().DisableMcp().DisableTelemetry().DisableDefaultFonts().HideDeveloperTools().HideClientButton()
            .WithDynamicBaseServerUrl().AddServer("/")
            .WithCustomCss(HideScalarLink);
        context.Response.Headers.ContentSecurityPolicy = SecurityHeadersMiddleware.PageWithScripts(nonce);
    });

    /// <summary>The link at the foot of the sidebar leads to Scalar's site.</summary>
    private const string HideScalarLink = """a[href*="scalar.com"] { display: none }""";
}
