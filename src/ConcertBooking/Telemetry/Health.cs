using System.Text.Json.Serialization;
using MySqlConnector;

namespace ConcertBooking.Telemetry;

public sealed record Checks(
    [property: JsonPropertyName("mysql")] string MySql,
    [property: JsonPropertyName("redis")] string Redis,
    [property: JsonPropertyName("kafka")] string Kafka);

public sealed record ReadyResponse(string Status, Checks Checks);

public sealed record LiveResponse(string Status);

/// <summary>
/// The health check: which servers can be reached, and whether they accept writes. It probes MySQL and Redis every second in
/// the background, so that readyz costs nothing and the service starts without them; <see cref="KafkaCluster"/> watches Kafka.
/// A change is logged once, an outage again every ten seconds.
/// </summary>
internal sealed partial class Health(
    MySqlDatabase database, Schema schema, RedisClient redis, KafkaCluster kafka, ConsumerGroups consumers, Metrics metrics,
    TimeProvider time, ILogger<Health> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time, logger)
{
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(2);

    /// <summary>How often an outage that goes on is logged.</summary>
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long the start waits for Redis. The first connection may take some seconds, through Sentinel on a busy machine.
    /// </summary>
    private static readonly TimeSpan RedisStartTimeout = TimeSpan.FromSeconds(5);

    private readonly Dependency _mysql = new("MySQL");
    private readonly Dependency _redis = new("Redis");
    private Task? _firstRound;
    private volatile bool _probed;
    private volatile bool _stopping;

    public bool IsStopping => _stopping;

    /// <summary>From now on readyz reports unready, while requests are still served.</summary>
    public void MarkStopping() => _stopping = true;

    public ReadyResponse Report() => new(
        _stopping || !_probed || !_mysql.Up ? "unready" : _redis.Up && KafkaUp ? "ready" : "degraded",
        new Checks(StatusText(_mysql.Up), StatusText(_redis.Up), StatusText(KafkaUp)));

    /// <summary>Brokers can be reached, and every consumer group of this instance can take events.</summary>
    private bool KafkaUp => kafka.Up && consumers.AllRunning;

    private static string StatusText(bool up) => up ? "up" : "down";

    /// <summary>
    /// Starts the first round of probes before the host starts, so that the servers answer while the routes are made.
    /// </summary>
    public void ProbeAhead() => _firstRound = Task.Run(() => ProbeAllAsync(CancellationToken.None));

    /// <summary>
    /// Delays listening until Redis has answered once or its time is up: a proxy that checks for open ports alone would route
    /// clients here, which would get 503 although the waiting room is available.
    /// </summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await base.StartAsync(cancellationToken);
        await Task.WhenAny(_redis.FirstUp, Task.Delay(RedisStartTimeout, Time, cancellationToken));
    }

    protected override Task RoundAsync(CancellationToken stoppingToken) =>
        Interlocked.Exchange(ref _firstRound, null) is { } started
            ? started.WaitAsync(stoppingToken)
            : ProbeAllAsync(stoppingToken);

    private async Task ProbeAllAsync(CancellationToken stoppingToken)
    {
        await Task.WhenAll(ProbeAsync(_mysql, ProbeMySqlAsync, stoppingToken), ProbeAsync(_redis, redis.ProbeAsync, stoppingToken));
        _probed = true;
        metrics.Dependency("mysql", _mysql.Up);
        metrics.Dependency("redis", _redis.Up);
        metrics.Dependency("kafka", kafka.Up);
    }

    /// <summary>
    /// MySQL is up when it accepts writes and has the schema and procedures that this build was written for. What cannot
    /// change while a build runs is checked at first and after a failure only.
    /// </summary>
    private async Task<string?> ProbeMySqlAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (!_mysql.Up)
            {
                var state = await database.ProbeAsync(schema.StateSql, cancellationToken);
                if (state < Schema.Latest)
                {
                    return state < 0 ? "a procedure of this build is missing: run concert-booking migrate"
                        : $"the schema is at {state}, this build needs {Schema.Latest}: run concert-booking migrate";
                }
            }

            await database.CheckWritesAsync(cancellationToken);
            return null;
        }
        catch (MySqlException missing) when (missing.ErrorCode == MySqlErrorCode.NoSuchTable)
        {
            return "the schema is missing: run concert-booking migrate";
        }
        catch (Exception exception) when (exception is MySqlException || MySqlErrors.FaultOf(exception) is not MySqlFault.None)
        {
            return exception.Message;
        }
    }

    private async Task ProbeAsync(
        Dependency dependency, Func<CancellationToken, Task<string?>> probe, CancellationToken stoppingToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        limit.CancelAfter(ProbeTimeout);
        string? problem;
        try
        {
            problem = await probe(limit.Token);
        }
        catch (OperationCanceledException)
        {
            stoppingToken.ThrowIfCancellationRequested();
            problem = $"no answer in {ProbeTimeout.TotalSeconds:0} s";
        }

        var now = Time.GetTimestamp();
        if (problem is null)
        {
            if (!dependency.Up && dependency.LastLogged is not null)
            {
                LogUp(dependency.Name);
            }

            dependency.LastLogged = null;
        }
        else if (dependency.LastLogged is not { } logged || Time.GetElapsedTime(logged, now) >= LogInterval)
        {
            LogDown(dependency.Name, problem);
            dependency.LastLogged = now;
        }

        dependency.Up = problem is null;
    }

    private sealed class Dependency(string name)
    {
        private readonly TaskCompletionSource _firstUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _up;

        public string Name { get; } = name;

        public bool Up
        {
            get => _up;
            set
            {
                _up = value;
                if (value)
                {
                    _firstUp.TrySetResult();
                }
            }
        }

        /// <summary>Completes when it has been up once.</summary>
        public Task FirstUp => _firstUp.Task;

        /// <summary>When the outage was last logged; null while there is none.</summary>
        public long? LastLogged { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Dependency} is down, trying again every second: {Problem}")]
    private partial void LogDown(string dependency, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Dependency} is back")]
    private partial void LogUp(string dependency);
}

/// <summary>The liveness and readiness endpoints.</summary>
internal static class HealthRoutes
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/livez", static () => TypedResults.Ok(new LiveResponse("alive")))
            .WithName("Live").WithTags("Operations").WithSummary("Whether the process runs")
            .WithDescription("For a liveness probe. It touches no dependency.")
            .WithExample(static () => new LiveResponse("alive"));
        routes.MapGet("/readyz", static (Health health) =>
            {
                var report = health.Report();
                return TypedResults.Json(report, HealthJson.Web.ReadyResponse, statusCode: report.Status == "unready" ? 503 : 200);
            })
            .WithName("Ready").WithTags("Operations").WithSummary("Whether to send requests here")
            .WithDescription(
                "For a readiness probe. `degraded` (200): Redis or Kafka cannot be reached, and requests are still served. `unready` "
                + "(503): MySQL cannot be reached, or the instance is shutting down.")
            .WithExample(static () => new ReadyResponse("ready", new("up", "up", "up")))
            .WithExample(static () => new ReadyResponse("unready", new("down", "up", "up")), StatusCodes.Status503ServiceUnavailable)
            .Produces<ReadyResponse>()
            .Produces<ReadyResponse>(StatusCodes.Status503ServiceUnavailable);
    }
}

[JsonSerializable(typeof(ReadyResponse))]
[JsonSerializable(typeof(LiveResponse))]
internal sealed partial class HealthJson : JsonSerializerContext
{
    public static HealthJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
