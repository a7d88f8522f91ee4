using System.Net;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Primitives;

namespace ConcertBooking.Infrastructure;

/// <summary>
/// What every request passes before anything looks at it: the limits of a connection, who its client is, which pages
/// may call, and the headers that tell browsers to make nothing else of an answer. Strict-Transport-Security is the
/// business of the proxy that ends TLS.
/// </summary>
internal static class Gates
{
    private const int MaximumBodyBytes = 16 * 1024;

    /// <summary>
    /// Requests are small and come in one piece; whoever sends them byte by byte is cut off. A body of 16 KiB has
    /// 13 s at most: the grace and then this rate.
    /// </summary>
    private const int MinimumBytesPerSecond = 2048;

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>Longer, since clients open connections ahead of need, and may send in the moment in which one is closed.</summary>
    private static readonly TimeSpan FirstByteWithin = TimeSpan.FromSeconds(10);

    /// <summary>Endpoint metadata: a page that runs scripts of its own.</summary>
    public sealed class OwnScripts;

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

    public static void AddGates(this IServiceCollection services, SecuritySettings settings)
    {
        services.AddSingleton(settings);
        services.AddSingleton<DistributedRateLimiter>();
        services.AddHostedService(static provider => provider.GetRequiredService<DistributedRateLimiter>());
        if (settings.KnownProxies.Length > 0)
        {
            services.Configure<ForwardedHeadersOptions>(options =>
            {
                options.ForwardedHeaders = ForwardedHeaders.XForwardedFor;
                options.ForwardLimit = null; // through as many proxies as are known
                options.KnownProxies.Clear();
                options.KnownIPNetworks.Clear();
                foreach (var proxy in settings.KnownProxies)
                {
                    options.KnownIPNetworks.Add(proxy);
                }
            });
        }

        if (settings.AllowedOrigins.Length > 0)
        {
            services.AddCors(options => options.AddDefaultPolicy(policy => policy
                .WithOrigins(settings.AllowedOrigins)
                .WithMethods("GET", "POST", "PUT", "PATCH", "DELETE")
                .WithHeaders("Authorization", "Content-Type", "Queue-Token", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Proof-Of-Work")
                .WithExposedHeaders("Location", "ETag", "Retry-After", "Idempotency-Replayed", "Cache-Status", "Proof-Of-Work-Challenge")
                .SetPreflightMaxAge(TimeSpan.FromHours(1))));
        }
    }

    public static void UseGates(this WebApplication app, SecuritySettings settings)
    {
        app.Use(static (context, next) =>
        {
            AddHeaders(context);
            return next(context);
        });
        if (settings.KnownProxies.Length > 0)
        {
            app.UseForwardedHeaders();
        }

        if (settings.AllowedOrigins.Length > 0)
        {
            app.Use(static (context, next) =>
            {
                context.Response.OnStarting(VaryByOriginAsync, context.Response);
                return next(context);
            });
            app.UseCors();
        }
    }

    /// <summary>
    /// Who may read an answer stands in its headers, so a cache must keep one for each origin, also of answers that
    /// nobody's page asked for. Runs after what the CORS middleware adds, which for one origin is nothing.
    /// </summary>
    private static Task VaryByOriginAsync(object response)
    {
        var headers = ((HttpResponse)response).Headers;
        if (!headers.GetCommaSeparatedValues("Vary").Contains("Origin", StringComparer.OrdinalIgnoreCase))
        {
            headers.Append("Vary", "Origin");
        }

        return Task.CompletedTask;
    }

    private static readonly StringValues NoSniff = "nosniff";
    private static readonly StringValues NoReferrer = "no-referrer";
    private static readonly StringValues Deny = "DENY";
    private static readonly StringValues SameOrigin = "same-origin";
    private static readonly StringValues Nothing = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// <summary>The reference to be read is a page of our own scripts, started by one inline.</summary>
    private static readonly StringValues OwnPage =
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static void AddHeaders(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = NoSniff;
        headers.XFrameOptions = Deny;
        headers["Referrer-Policy"] = NoReferrer;
        headers["Cross-Origin-Resource-Policy"] = SameOrigin;
        headers.ContentSecurityPolicy = context.GetEndpoint()?.Metadata.GetMetadata<OwnScripts>() is null ? Nothing : OwnPage;
    }
}
