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
/// The health check: which servers can be reached, and whether Redis accepts writes. It probes them every second in the
/// background, so that readyz costs nothing and the service starts without them. A change is logged once, an outage again
/// every ten seconds.
/// </summary>
internal sealed partial class Health(
    MySqlDatabase database, Schema schema, RedisClient redis, KafkaCluster kafka, ConsumerGroups consumers, Metrics metrics,
    TimeProvider time, ILogger<Health> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time, logger)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Reminder = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long the start waits for Redis. The first connection may take some seconds, through Sentinel on a busy machine.
    /// </summary>
    private static readonly TimeSpan RedisPatience = TimeSpan.FromSeconds(5);

    private readonly Dependency _mysql = new("MySQL");
    private readonly Dependency _redis = new("Redis");
    private readonly TaskCompletionSource _redisAnswered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _asked;
    private volatile bool _stopping;

    public bool IsStopping => _stopping;

    /// <summary>From now on readyz says unready, while requests are still served.</summary>
    public void StopBeingReady() => _stopping = true;

    public ReadyResponse Report() => new(
        _stopping || !_asked || !_mysql.Up ? "unready" : _redis.Up && KafkaUp ? "ready" : "degraded",
        new Checks(Word(_mysql.Up), Word(_redis.Up), Word(KafkaUp)));

    /// <summary>Brokers answer, and every consumer group of this instance can take events.</summary>
    private bool KafkaUp => kafka.Up && consumers.AllRun;

    private static string Word(bool up) => up ? "up" : "down";

    /// <summary>
    /// Nothing is listened to before Redis has answered once or has had its time: a proxy that looks for open ports alone
    /// would send clients here, who would hear 503 of a waiting room that is fine.
    /// </summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await base.StartAsync(cancellationToken);
        await Task.WhenAny(_redisAnswered.Task, Task.Delay(RedisPatience, Time, cancellationToken));
    }

    protected override async Task RoundAsync(CancellationToken stoppingToken)
    {
        await Task.WhenAll(AskAsync(_mysql, AskMySqlAsync, stoppingToken), AskAsync(_redis, AskRedisAsync, stoppingToken));
        _asked = true;
        metrics.Dependency("mysql", _mysql.Up);
        metrics.Dependency("redis", _redis.Up);
        metrics.Dependency("kafka", kafka.Up);
    }

    private async Task<string?> AskRedisAsync(CancellationToken cancellationToken)
    {
        var problem = await redis.ProbeAsync(cancellationToken);
        if (problem is null)
        {
            _redisAnswered.TrySetResult();
        }

        return problem;
    }

    /// <summary>
    /// MySQL is up when it takes writes and holds the schema and procedures that this build was written for. What
    /// cannot change while a build runs is asked at first and after a failure only.
    /// </summary>
    private async Task<string?> AskMySqlAsync(CancellationToken cancellationToken)
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

    private async Task AskAsync(Dependency dependency, Func<CancellationToken, Task<string?>> ask, CancellationToken stoppingToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        limit.CancelAfter(Limit);
        string? problem;
        try
        {
            problem = await ask(limit.Token);
        }
        catch (OperationCanceledException)
        {
            stoppingToken.ThrowIfCancellationRequested();
            problem = $"no answer in {Limit.TotalSeconds:0} s";
        }

        var now = Time.GetTimestamp();
        if (problem is null)
        {
            if (!dependency.Up && dependency.LastSaid is not null)
            {
                LogUp(dependency.Name);
            }

            dependency.LastSaid = null;
        }
        else if (dependency.LastSaid is not { } said || Time.GetElapsedTime(said, now) >= Reminder)
        {
            LogDown(dependency.Name, problem);
            dependency.LastSaid = now;
        }

        dependency.Up = problem is null;
    }

    private sealed class Dependency(string name)
    {
        private volatile bool _up;

        public string Name { get; } = name;
        public bool Up { get => _up; set => _up = value; }

        /// <summary>When the outage was last logged; null while there is none.</summary>
        public long? LastSaid { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Dependency} is down, trying again every second: {Problem}")]
    private partial void LogDown(string dependency, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Dependency} is back")]
    private partial void LogUp(string dependency);
}

/// <summary>The two questions an orchestrator asks.</summary>
internal static class HealthRoutes
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/livez", static () => TypedResults.Ok(new LiveResponse("alive")))
            .WithName("Live").WithTags("Operations").WithSummary("Whether the process runs; touches no dependency");
        routes.MapGet("/readyz", static (Health health) =>
            {
                var report = health.Report();
                return TypedResults.Json(report, HealthJson.Web.ReadyResponse, statusCode: report.Status == "unready" ? 503 : 200);
            })
            .WithName("Ready").WithTags("Operations").WithSummary("Whether to send requests here")
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
