using System.Text;

namespace ConcertBooking.Http.Idempotency;

/// <summary>A 201 as the database keeps it, byte for byte.</summary>
internal sealed record StoredAnswer(string Json, bool Replayed) : IResult
{
    /// <summary>Of what the call made, where that is an address.</summary>
    public string? Location { get; init; }

    public async Task ExecuteAsync(HttpContext context)
    {
        var bytes = Encoding.UTF8.GetBytes(Json);
        context.Response.StatusCode = StatusCodes.Status201Created;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = bytes.Length;
        if (Location is not null)
        {
            context.Response.Headers.Location = Location;
        }

        if (Replayed)
        {
            context.Response.Headers[IdempotencyHeaders.Replayed] = "true";
        }

        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
