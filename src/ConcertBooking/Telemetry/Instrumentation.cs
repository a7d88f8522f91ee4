using System.Diagnostics;
using System.Text.Encodings.Web;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace ConcertBooking.Telemetry;

/// <summary>Observability: metrics for Prometheus, traces when a collector is configured, logs as JSON.</summary>
internal static class Instrumentation
{
    /// <summary>The spans of the service itself, beside those of libraries. Without a collector starting one costs a null check.</summary>
    public static readonly ActivitySource Source = new("ConcertBooking");

    /// <summary>
    /// The W3C <c>traceparent</c> of the current span, when traces are collected and this one is sampled. Without a collector a
    /// request still has an activity for its log lines, which the client may have marked as sampled.
    /// </summary>
    public static string? TraceParent =>
        Source.HasListeners() && Activity.Current is { Recorded: true, IdFormat: ActivityIdFormat.W3C } current ? current.Id : null;

    /// <summary>
    /// The cardinality limit of a metric. OpenTelemetry allocates it at the start, for 2,000 series by default. The largest
    /// metric is the duration of requests: some 30 routes by status code.
    /// </summary>
    private const int SeriesPerMetric = 300;

    /// <summary>HTTP and runtime metrics come from the framework's own meters, under OpenTelemetry's names.</summary>
    public static void AddTelemetry(this IServiceCollection services, Settings settings)
    {
        var telemetry = services.AddOpenTelemetry()
            .ConfigureResource(static resource => resource.AddService("concert-booking"))
            .WithMetrics(static metrics => metrics
                .AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", Metrics.MeterName)
                .AddView(static _ => new MetricStreamConfiguration { CardinalityLimit = SeriesPerMetric })
                .AddPrometheusExporter());
        if (settings.TraceCollector is not null)
        {
            // The exporter reads its address, protocol and headers from OpenTelemetry's own variables.
            telemetry.WithTracing(static traces => traces
                .AddAspNetCoreInstrumentation()
                .AddSource("MySqlConnector", Source.Name)
                .AddOtlpExporter());
        }
    }

    /// <summary>Creates the exporter at start: it reads variables of its own, and its exceptions name none of them.</summary>
    /// <exception cref="SettingException">The variables that are set are invalid.</exception>
    public static void CheckTracing(this IServiceProvider services, Settings settings, IConfiguration configuration)
    {
        try
        {
            _ = settings.TraceCollector is null ? null : services.GetRequiredService<TracerProvider>();
        }
        catch (Exception refusal)
        {
            var names = configuration.AsEnumerable().Select(static setting => setting.Key)
                .Where(static key => key.StartsWith("OTEL_", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
            throw new SettingException(string.Join(", ", names), $"cannot be used together: {refusal.Message}");
        }
    }

    /// <summary>
    /// Structured logs: one JSON object a line, with the trace id of its request. Messages never contain tokens, keys or
    /// bodies. In Development the console format is readable text.
    /// </summary>
    public static void AddLogs(this ILoggingBuilder logging, Settings settings)
    {
        logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Information);
        logging.Configure(static options => options.ActivityTrackingOptions = ActivityTrackingOptions.TraceId);
        if (!settings.Development)
        {
            logging.AddJsonConsole(static json =>
            {
                json.IncludeScopes = true;
                json.UseUtcTimestamp = true;
                json.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
                json.JsonWriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
            });
        }
    }

    /// <summary>
    /// Checks every level under <c>Logging</c>, for all providers or for one: the framework's own exception names no setting.
    /// </summary>
    /// <exception cref="SettingException">The first invalid level.</exception>
    public static void CheckLogLevels(IConfigurationSection section)
    {
        foreach (var child in section.GetChildren())
        {
            if (section.Key == "LogLevel" && child.Value is { Length: > 0 } level
                && !Enum.TryParse<LogLevel>(level, ignoreCase: true, out _))
            {
                throw new SettingException(
                    child.Path.Replace(":", "__", StringComparison.Ordinal),
                    $"must be one of {string.Join(", ", Enum.GetNames<LogLevel>())}");
            }

            CheckLogLevels(child);
        }
    }
}
