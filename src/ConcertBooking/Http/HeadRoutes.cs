namespace ConcertBooking.Http;

internal static class HeadRoutes
{
    private static readonly HttpMethodMetadata GetOrHead = new([HttpMethods.Get, HttpMethods.Head]);

    /// <summary>
    /// Every GET in the group also serves HEAD, with the same headers; Kestrel omits the body. Routing then lists HEAD in the
    /// Allow header of a 405 as well.
    /// </summary>
    public static RouteGroupBuilder WithHead(this RouteGroupBuilder routes)
    {
        ((IEndpointConventionBuilder)routes).Finally(static endpoint =>
        {
            for (var index = 0; index < endpoint.Metadata.Count; index++)
            {
                if (endpoint.Metadata[index] is IHttpMethodMetadata { HttpMethods: [var only] } && HttpMethods.IsGet(only))
                {
                    endpoint.Metadata[index] = GetOrHead;
                }
            }
        });
        return routes;
    }
}
