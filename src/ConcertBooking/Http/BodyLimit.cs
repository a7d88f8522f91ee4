using Microsoft.AspNetCore.Http.Metadata;

namespace ConcertBooking.Http;

/// <summary>Endpoint metadata: the framework's routing lets Kestrel accept bodies of this size on the route.</summary>
internal sealed class BodyLimit(int bytes) : IRequestSizeLimitMetadata
{
    public long? MaxRequestBodySize => bytes;

    /// <summary>The problem of a body that is larger than the endpoint's limit.</summary>
    public static Problem Exceeded(Endpoint? endpoint)
    {
        var limit = endpoint?.Metadata.GetMetadata<IRequestSizeLimitMetadata>()?.MaxRequestBodySize ?? KestrelLimits.MaximumBodyBytes;
        return Problems.BodyTooLarge.With($"The body is larger than {limit / 1024} KiB.");
    }
}
