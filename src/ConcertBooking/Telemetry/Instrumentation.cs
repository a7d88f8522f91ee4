using System.Diagnostics;
using System.Text.Encodings.Web;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace ConcertBooking.Telemetry;

/// <summary>How the service tells what it does: metrics to be scraped, traces when somebody collects them, logs as JSON.</summary>
internal static class Instrumentation
{
    /// <summary>Spans of what no library tells by itself. Without a collector starting one costs a null check.</summary>
    public static readonly ActivitySource Source = new("ConcertBooking");

    /// <summary>
    /// W3C's <c>traceparent</c> of what is being done, when somebody collects traces and takes this one. A request has an
    /// activity for its log lines all the same, and one that the client may have called sampled.
    /// </summary>
    public static string? TraceParent =>
        Source.HasListeners() && Activity.Current is { Recorded: true, IdFormat: ActivityIdFormat.W3C } current ? current.Id : null;

    /// <summary>
    /// The room for label values a metric may have; OpenTelemetry sets it aside at the start, for 2,000 unless told. The
    /// widest is the duration of requests: some 30 routes by what they are answered with.
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

    /// <summary>Makes the exporter now: it reads variables of its own, and its refusal names none of them.</summary>
    /// <exception cref="SettingException">Something is wrong with those that are set.</exception>
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
    /// One JSON object a line, with the trace id of the request it belongs to. Messages never carry tokens, keys or
    /// bodies. In Development a person reads them.
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

    /// <summary>Every level under <c>Logging</c>, for all providers or for one: the framework's own refusal names no setting.</summary>
    /// <exception cref="SettingException">The first that is none.</exception>
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
