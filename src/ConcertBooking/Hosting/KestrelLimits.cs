using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace ConcertBooking.Hosting;

/// <summary>Kestrel's limits on connections and requests.</summary>
internal static class KestrelLimits
{
    public const int MaximumBodyBytes = 16 * 1024;

    /// <summary>
    /// What a connection may have written that its client has not taken, beyond the buffers of the system: a write of more is not
    /// over before. By default it is four times as much, which thousands of streams that nobody reads would fill.
    /// </summary>
    public const int MaximumWriteBytes = 16 * 1024;

    /// <summary>
    /// Requests are small and arrive in one piece; a client that sends byte by byte (slowloris) is disconnected. A body of 16 KiB
    /// has 13 s at most: the grace period and then this rate.
    /// </summary>
    private const int MinimumBytesPerSecond = 2048;

    private static readonly TimeSpan GracePeriod = TimeSpan.FromSeconds(5);

    /// <summary>Longer, since clients open connections ahead of need, and may send while one is being closed.</summary>
    private static readonly TimeSpan FirstByteTimeout = TimeSpan.FromSeconds(10);

    public static void SetLimits(this KestrelServerOptions kestrel, Settings settings)
    {
        kestrel.AddServerHeader = false;
        // Without TLS, HTTP/2 would need prior knowledge, which no client here has.
        kestrel.ConfigureEndpointDefaults(endpoint =>
        {
            endpoint.Protocols = HttpProtocols.Http1;
            endpoint.Use(new ConnectionLimiter(settings.Security, FirstByteTimeout).Limit);
        });
        var limits = kestrel.Limits;
        limits.MaxConcurrentConnections = OpenFiles.MaxConnections(settings);
        limits.MaxRequestLineSize = 8 * 1024;
        limits.MaxRequestHeaderCount = 64;
        limits.MaxRequestHeadersTotalSize = 16 * 1024;
        limits.MaxRequestBodySize = MaximumBodyBytes;
        limits.MaxRequestBufferSize = 64 * 1024;
        limits.RequestHeadersTimeout = GracePeriod;
        limits.MinRequestBodyDataRate = new MinDataRate(MinimumBytesPerSecond, GracePeriod);
    }
}
