namespace ConcertBooking.Http.Caching;

internal static class CachedRoutes
{
    /// <summary>Describes a cached call in the OpenAPI document.</summary>
    public static RouteHandlerBuilder Cached<T>(this RouteHandlerBuilder route) =>
        route.Produces<T>()
            .Produces(StatusCodes.Status304NotModified)
            .WithHeader("If-None-Match", "A validator that the client has; 304 when it still holds.")
            .WithHeader("ETag", "The validator of this answer.", status: 200)
            .WithHeader("Cache-Status", "RFC 9211: whether the answer came from memory.", status: 200)
            .WithProblems(Problems.TooManyRequests, Problems.DatabaseUnavailable);
}
