namespace ConcertBooking.Http.Idempotency;

/// <summary>The two headers of a call that can be repeated safely.</summary>
internal static class IdempotencyHeaders
{
    public const string Key = "Idempotency-Key";
    public const string Replayed = "Idempotency-Replayed";

    /// <summary>Documents both for a route that returns 201.</summary>
    public static RouteHandlerBuilder WithIdempotencyKey(this RouteHandlerBuilder route) => route
        .WithHeader(
            Key, "1 to 255 printable ASCII characters; a repeat with the same body gets the first answer again.", required: true,
            example: "order-1")
        .WithHeader(Replayed, "true when this is the first answer again.", status: StatusCodes.Status201Created);
}
