using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace ConcertBooking.Hosting;

/// <summary>What one connection and one request may take of the server.</summary>
internal static class KestrelLimits
{
    public const int MaximumBodyBytes = 16 * 1024;

    /// <summary>
    /// Requests are small and come in one piece; whoever sends them byte by byte is cut off. A body of 16 KiB has
    /// 13 s at most: the grace and then this rate.
    /// </summary>
    private const int MinimumBytesPerSecond = 2048;

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>Longer, since clients open connections ahead of need, and may send in the moment in which one is closed.</summary>
    private static readonly TimeSpan FirstByteWithin = TimeSpan.FromSeconds(10);

    public static void SetLimits(this KestrelServerOptions kestrel, Settings settings)
    {
        kestrel.AddServerHeader = false;
        // Without TLS there is no HTTP/2 but by prior knowledge, which nobody here needs.
        kestrel.ConfigureEndpointDefaults(endpoint =>
        {
            endpoint.Protocols = HttpProtocols.Http1;
            endpoint.Use(new ConnectionLimiter(settings.Security, FirstByteWithin).Limit);
        });
        var limits = kestrel.Limits;
        limits.MaxConcurrentConnections = OpenFiles.Connections(settings);
        limits.MaxRequestLineSize = 8 * 1024;
        limits.MaxRequestHeaderCount = 64;
        limits.MaxRequestHeadersTotalSize = 16 * 1024;
        limits.MaxRequestBodySize = MaximumBodyBytes;
        limits.MaxRequestBufferSize = 64 * 1024;
        limits.RequestHeadersTimeout = Grace;
        limits.MinRequestBodyDataRate = new MinDataRate(MinimumBytesPerSecond, Grace);
    }
}
