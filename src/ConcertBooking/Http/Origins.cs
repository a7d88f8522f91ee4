using Microsoft.AspNetCore.HttpOverrides;

namespace ConcertBooking.Http;

/// <summary>Who a client is when it comes through known proxies, and which pages of other origins may call (CORS).</summary>
internal static class Origins
{
    public static void AddOrigins(this IServiceCollection services, SecuritySettings settings)
    {
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
}
