using Microsoft.AspNetCore.HttpOverrides;

namespace ConcertBooking.Http;

/// <summary>Forwarded headers of known proxies, and CORS.</summary>
internal static class Origins
{
    public static void AddOrigins(this IServiceCollection services, SecuritySettings settings)
    {
        if (settings.KnownProxies.Length > 0)
        {
            services.Configure<ForwardedHeadersOptions>(options =>
            {
                options.ForwardedHeaders = ForwardedHeaders.XForwardedFor;
                options.ForwardLimit = null; // any number of known proxies in a row
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
                .WithHeaders(
                    "Authorization", "Content-Type", "Queue-Token", "Idempotency-Key", "If-None-Match", "Last-Event-ID",
                    "Proof-Of-Work")
                .WithExposedHeaders("Location", "ETag", "Retry-After", "Idempotency-Replayed", "Cache-Status", "Proof-Of-Work-Challenge")
                .SetPreflightMaxAge(TimeSpan.FromHours(1))));
        }
    }

    public static void UseOrigins(this WebApplication app, SecuritySettings settings)
    {
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
    /// The response headers depend on the origin, so a cache must keep one response per origin, also of requests without an
    /// Origin header. Runs after the CORS middleware, which adds no Vary when a single origin is allowed.
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
}
