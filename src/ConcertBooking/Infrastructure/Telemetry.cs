using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace ConcertBooking.Infrastructure;

/// <summary>OpenTelemetry's part of what the service tells of itself.</summary>
internal static class Telemetry
{
    /// <summary>HTTP and runtime metrics come from the framework's own meters, under OpenTelemetry's names.</summary>
    public static void AddTelemetry(this IServiceCollection services) =>
        services.AddOpenTelemetry().ConfigureResource(static resource => resource.AddService("concert-booking")).WithMetrics(static metrics => metrics
            .AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", Metrics.MeterName)
            .AddPrometheusExporter());
}
