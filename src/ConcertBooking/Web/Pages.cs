namespace ConcertBooking.Web;

/// <summary>The routes of the pages. They are not part of the API's description.</summary>
internal static class Pages
{
    public static void Map(IEndpointRouteBuilder routes, Settings settings)
    {
        var (site, policy) = (Site.Load(settings), Policy(settings));
        var pages = routes.MapGroup("").ExcludeFromDescription().DisableValidation();
        foreach (var (path, page) in ((string, SiteFile)[])[("/", site.Index), ("/console", site.Console)])
        {
            pages.MapGet(path, IResult (HttpContext context) =>
            {
                context.Response.Headers.ContentSecurityPolicy = policy;
                return page;
            });
        }

        pages.MapGet("/assets/{hash}/{name}", IResult (string hash, string name) => site.Find(hash, name) ?? (IResult)Problems.NotFound);
    }

    /// <summary>
    /// Only what the service itself serves, and requests to the issuer that users sign in at. No inline script, no inline style, no
    /// frame.
    /// </summary>
    private static string Policy(Settings settings)
    {
        var issuer = settings.Auth.Authority is { } authority ? $" {new Uri(authority).GetLeftPart(UriPartial.Authority)}" : "";
        return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            + $"connect-src 'self'{issuer}; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    }
}
