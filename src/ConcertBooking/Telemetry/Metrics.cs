using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace ConcertBooking.Telemetry;

/// <summary>
/// What the service tells of itself on <c>/metrics</c>, under the contract's names. Counters are counted where things
/// happen; gauges are values that somebody has set, so that a scrape asks nobody. Label values come from fixed lists
/// (the codes of <see cref="Problems"/>, topics, groups) or from the first <see cref="MaximumQueues"/> queues.
/// </summary>
internal sealed class Metrics : IDisposable
{
    public const string MeterName = "ConcertBooking";
    private const int MaximumQueues = 100;

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _cacheRequests;
    private readonly Counter<long> _published;
    private readonly Counter<long> _deadLetters;
    private readonly Histogram<double> _admission;
    private readonly ConcurrentDictionary<string, (long Waiting, long Active)> _queues = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _dependencies = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _consumers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Group, string Topic), long> _lags = new();

    public Metrics(Settings settings)
    {
        Holds = _meter.CreateCounter<long>("booking.holds", description: "Answers to hold, by result");
        Payments = _meter.CreateCounter<long>("booking.payments", description: "Answers to pay, by result");
        _cacheRequests = _meter.CreateCounter<long>("booking.cache.requests", description: "Reads of the catalogue cache");
        _published = _meter.CreateCounter<long>("booking.events.published", description: "Events offered to Kafka");
        _deadLetters = _meter.CreateCounter<long>("booking.dead_letters", description: "Messages that a consumer group gave up");
        _admission = _meter.CreateHistogram<double>(
            "booking.queue.admission", "s", "From entering a queue to admission",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600] });

        Gauge("booking.queue.waiting", () => Queues(static counts => counts.Waiting));
        Gauge("booking.queue.active", () => Queues(static counts => counts.Active));
        _meter.CreateObservableGauge(
            "booking.queue.admission_share", () => AdmissionShare, description: "1: as many as there are places; below: throttled");
        Gauge("booking.worker", () => settings.Worker ? 1 : 0);
        Gauge("booking.holds.overdue", () => HoldsOverdue);
        Gauge("booking.seats.left", () => SeatsLeft.Select(
            static seats => new Measurement<long>(seats.Left, new KeyValuePair<string, object?>("schedule", seats.Schedule))));
        Gauge("booking.outbox.pending", () => OutboxPending);
        Gauge("booking.outbox.dead", () => OutboxDead);
        _meter.CreateObservableGauge("booking.outbox.oldest", () => OutboxOldestSeconds, "s");
        Gauge("booking.dependency.up", () => _dependencies.Select(
            static known => new Measurement<long>(known.Value ? 1 : 0, new KeyValuePair<string, object?>("dependency", known.Key))));
        Gauge("booking.consumer.up", () => _consumers.Select(
            static known => new Measurement<long>(known.Value ? 1 : 0, new KeyValuePair<string, object?>("group", known.Key))));
        Gauge("booking.consumer.lag", () => _lags.Select(static known => new Measurement<long>(
            known.Value,
            new KeyValuePair<string, object?>("group", known.Key.Group),
            new KeyValuePair<string, object?>("topic", known.Key.Topic))));
        var limit = ControlGroup.MemoryLimit(ControlGroup.Root) ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        _meter.CreateObservableGauge("booking.memory.limit", () => limit, "By", "What the container or machine allows");
    }

    public Counter<long> Holds { get; }

    public Counter<long> Payments { get; }

    /// <summary>The part of a queue's places that this instance lets be handed out per second; 1 is no limit.</summary>
    public double AdmissionShare { get; set; } = 1;

    /// <summary>Of a few schedules, those most asked for lately, the seats that nobody holds or has paid, over all instances.</summary>
    public IReadOnlyList<(string Schedule, long Left)> SeatsLeft { get; set; } = [];

    /// <summary>HELD reservations past their end, over all instances.</summary>
    public long HoldsOverdue { get; set; }

    /// <summary>Events not yet acknowledged by Kafka, those given up included.</summary>
    public long OutboxPending { get; set; }

    /// <summary>Events that Kafka refused for good.</summary>
    public long OutboxDead { get; set; }

    /// <summary>Age of the oldest event that still waits; 0 when none does.</summary>
    public double OutboxOldestSeconds { get; set; }

    public void CacheRequest(string cache, bool hit) =>
        _cacheRequests.Add(1, new("cache", cache), new("result", hit ? "hit" : "miss"));

    /// <param name="topic">One of <c>OutboxEvents</c>'s.</param>
    /// <param name="result"><c>sent</c>, <c>failed</c> (an outage: tried again) or <c>refused</c> (this very event).</param>
    /// <param name="count">How many; 0 lets the series begin, so that the first one counts as an increase.</param>
    public void Published(string topic, string result, int count = 1) => _published.Add(count, new("topic", topic), new("result", result));

    /// <param name="topic">Where the message was.</param>
    /// <param name="group">Who gave it up.</param>
    /// <param name="count">0 lets the series begin, so that the first one counts as an increase.</param>
    public void DeadLetter(string topic, string group, int count = 1) => _deadLetters.Add(count, new("topic", topic), new("group", group));

    public void Admitted(TimeSpan waited) => _admission.Record(waited.TotalSeconds);

    /// <summary>A queue that nobody has counted yet has nobody.</summary>
    public void KnowQueue(string queue)
    {
        if (_queues.Count < MaximumQueues)
        {
            _queues.TryAdd(queue, (0, 0));
        }
    }

    /// <summary>Beyond a hundred queues an empty one makes room; beyond a hundred that are not, queues are left out.</summary>
    public void Queue(string queue, long waiting, long active)
    {
        if (!_queues.ContainsKey(queue) && _queues.Count >= MaximumQueues)
        {
            if (waiting + active == 0
                || _queues.FirstOrDefault(static known => known.Value is (0, 0)) is not { Key: { } empty }
                || !_queues.TryRemove(empty, out _))
            {
                return;
            }
        }

        _queues[queue] = (waiting, active);
    }

    /// <summary>Whether this instance's member of the group can take events.</summary>
    public void Consumer(string group, bool runs) => _consumers[group] = runs;

    /// <summary>Messages of the topic that the group, over all its members, has not finished.</summary>
    public void ConsumerLag(string group, string topic, long lag) => _lags[(group, topic)] = lag;

    public void Dependency(string dependency, bool up) => _dependencies[dependency] = up;

    /// <summary>The connections of the pool: in use, and free to be used or opened.</summary>
    public void WatchPool(Func<int> size, Func<int> free) => Gauge("booking.db.connections", () =>
    {
        var idle = free();
        return
        [
            new Measurement<long>(size() - idle, new KeyValuePair<string, object?>("state", "used")),
            new Measurement<long>(idle, new KeyValuePair<string, object?>("state", "idle")),
        ];
    });

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<long>> Queues(Func<(long Waiting, long Active), long> which) => _queues.Select(
        queue => new Measurement<long>(which(queue.Value), new KeyValuePair<string, object?>("queue", queue.Key)));

    private void Gauge(string name, Func<long> value) => _meter.CreateObservableGauge(name, value);

    private void Gauge(string name, Func<IEnumerable<Measurement<long>>> values) => _meter.CreateObservableGauge(name, values);
}

internal static class CountedRoutes
{
    /// <summary>
    /// Counts a call's answers by their result: the given word for a first success, <c>repeated</c> for the same again,
    /// else the problem's code.
    /// </summary>
    public static RouteHandlerBuilder CountedAs(this RouteHandlerBuilder route, Func<Metrics, Counter<long>> which, string success) =>
        route.AddEndpointFilter(async (context, next) =>
        {
            var counter = which(context.HttpContext.RequestServices.GetRequiredService<Metrics>());
            try
            {
                var answer = await next(context);
                counter.Add(1, new KeyValuePair<string, object?>("result", Word(answer, success)));
                return answer;
            }
            catch (Exception exception)
            {
                counter.Add(1, new KeyValuePair<string, object?>("result", ProblemMiddleware.Of(exception).Code));
                throw;
            }
        });

    private static string Word(object? answer, string success) => answer switch
    {
        Problem problem => problem.Code,
        StoredAnswer { Replayed: true } or IStatusCodeHttpResult { StatusCode: StatusCodes.Status200OK } => "repeated",
        IStatusCodeHttpResult { StatusCode: >= 400 } => Problems.InvalidRequest.Code,
        _ => success,
    };
}
