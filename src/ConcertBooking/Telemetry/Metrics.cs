using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace ConcertBooking.Telemetry;

/// <summary>
/// The metrics that <c>/metrics</c> exports. Counters are incremented where things happen; gauges are values set in the
/// background, so that a scrape runs no query. Label values come from fixed lists (the codes of <see cref="Problems"/>,
/// topics, groups) or from the first <see cref="MaximumQueues"/> queues.
/// </summary>
internal sealed class Metrics : IDisposable
{
    public const string MeterName = "ConcertBooking";
    private const int MaximumQueues = 100;

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _cacheRequests;
    private readonly Counter<long> _transactions;
    private readonly Counter<long> _published;
    private readonly Counter<long> _deadLetters;
    private readonly Histogram<double> _admission;
    private readonly ConcurrentDictionary<string, (long Waiting, long Active)> _queues = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _dependencies = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _consumers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Group, string Topic), long> _lags = new();
    private long _bestAvailableLost, _seatStreams;

    public Metrics(Settings settings)
    {
        Holds = _meter.CreateCounter<long>("booking.holds", description: "Answers to hold, by result");
        Payments = _meter.CreateCounter<long>("booking.payments", description: "Answers to pay, by result");
        // Observed, so that there is a series from the start on: what a counter gets before there is an exporter is lost.
        _meter.CreateObservableCounter(
            "booking.best_available.lost", () => Volatile.Read(ref _bestAvailableLost),
            description: "Best available seats that another booking took first: searched for again");
        _meter.CreateObservableUpDownCounter(
            "booking.seat.streams", () => Volatile.Read(ref _seatStreams), description: "Open event streams of seats");
        _cacheRequests = _meter.CreateCounter<long>("booking.cache.requests", description: "Reads of the catalogue cache");
        _transactions = _meter.CreateCounter<long>(
            "booking.transactions", description: "Requests by call and by whether they shared a transaction with others");
        _published = _meter.CreateCounter<long>("booking.events.published", description: "Events offered to Kafka");
        _deadLetters = _meter.CreateCounter<long>("booking.dead_letters", description: "Dead letters, by topic and consumer group");
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
        _meter.CreateObservableGauge("booking.memory.limit", () => limit, "By", "Memory limit of the container or machine");
    }

    public Counter<long> Holds { get; }

    public Counter<long> Payments { get; }

    public void BestAvailableLost() => Interlocked.Increment(ref _bestAvailableLost);

    public void SeatStreamOpened() => Interlocked.Increment(ref _seatStreams);

    public void SeatStreamClosed() => Interlocked.Decrement(ref _seatStreams);

    /// <summary>The share of a queue's places that this instance admits per second; 1 is no limit.</summary>
    public double AdmissionShare { get; set; } = 1;

    /// <summary>The available seats of the few schedules with the most recent holds, over all instances.</summary>
    public IReadOnlyList<(string Schedule, long Left)> SeatsLeft { get; set; } = [];

    /// <summary>HELD reservations past their end, over all instances.</summary>
    public long HoldsOverdue { get; set; }

    /// <summary>Events not yet acknowledged by Kafka, dead ones included; 100,000 stands for any more.</summary>
    public long OutboxPending { get; set; }

    /// <summary>Events that Kafka refused for good.</summary>
    public long OutboxDead { get; set; }

    /// <summary>Age of the oldest pending event; 0 when there is none.</summary>
    public double OutboxOldestSeconds { get; set; }

    public void CacheRequest(string cache, bool hit) =>
        _cacheRequests.Add(1, new("cache", cache), new("result", hit ? "hit" : "miss"));

    /// <param name="call"><c>hold</c>, <c>pay</c>, <c>charge</c> or <c>release</c>.</param>
    /// <param name="how"><c>alone</c>, <c>shared</c>, or <c>repeated</c>: alone after it was not served by a shared one.</param>
    public void Transaction(string call, string how, int count) => _transactions.Add(count, new("call", call), new("how", how));

    /// <param name="topic">One of <c>OutboxEvents</c>'s.</param>
    /// <param name="result"><c>sent</c>, <c>failed</c> (an outage: retried) or <c>refused</c> (this event).</param>
    /// <param name="count">How many; 0 creates the series, so that the first event counts as an increase.</param>
    public void Published(string topic, string result, int count = 1) => _published.Add(count, new("topic", topic), new("result", result));

    /// <param name="topic">The topic of the message.</param>
    /// <param name="group">The consumer group.</param>
    /// <param name="count">0 creates the series, so that the first message counts as an increase.</param>
    public void DeadLetter(string topic, string group, int count = 1) => _deadLetters.Add(count, new("topic", topic), new("group", group));

    public void Admitted(TimeSpan waited) => _admission.Record(waited.TotalSeconds);

    /// <summary>Creates the series of a queue, at zero until it is counted.</summary>
    public void RegisterQueue(string queue)
    {
        if (_queues.Count < MaximumQueues)
        {
            _queues.TryAdd(queue, (0, 0));
        }
    }

    /// <summary>Beyond a hundred queues an empty one is replaced; beyond a hundred queues with users, further ones are left out.</summary>
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
    public void Consumer(string group, bool isRunning) => _consumers[group] = isRunning;

    /// <summary>Messages of the topic that the group, over all its members, has not processed.</summary>
    public void ConsumerLag(string group, string topic, long lag) => _lags[(group, topic)] = lag;

    public void Dependency(string dependency, bool up) => _dependencies[dependency] = up;

    /// <summary>Exports the connections of the pool: in use, and idle or not opened yet.</summary>
    public void ObservePool(Func<int> size, Func<int> free) => Gauge("booking.db.connections", () =>
    {
        var idle = free();
        return
        [
            new Measurement<long>(size() - idle, new KeyValuePair<string, object?>("state", "used")),
            new Measurement<long>(idle, new KeyValuePair<string, object?>("state", "idle")),
        ];
    });

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<long>> Queues(Func<(long Waiting, long Active), long> select) => _queues.Select(
        queue => new Measurement<long>(select(queue.Value), new KeyValuePair<string, object?>("queue", queue.Key)));

    private void Gauge(string name, Func<long> value) => _meter.CreateObservableGauge(name, value);

    private void Gauge(string name, Func<IEnumerable<Measurement<long>>> values) => _meter.CreateObservableGauge(name, values);
}

internal static class CountedRoutes
{
    /// <summary>
    /// Counts the responses of a route by their result: the given name for a first success, <c>repeated</c> for a repeated one,
    /// else the problem's code.
    /// </summary>
    public static RouteHandlerBuilder CountedAs(this RouteHandlerBuilder route, Func<Metrics, Counter<long>> select, string success) =>
        route.AddEndpointFilter(async (context, next) =>
        {
            var counter = select(context.HttpContext.RequestServices.GetRequiredService<Metrics>());
            try
            {
                var answer = await next(context);
                counter.Add(1, new KeyValuePair<string, object?>("result", ResultOf(answer, success)));
                return answer;
            }
            catch (Exception exception)
            {
                counter.Add(1, new KeyValuePair<string, object?>("result", ProblemMiddleware.Of(exception).Code));
                throw;
            }
        });

    private static string ResultOf(object? answer, string success) => answer switch
    {
        Problem problem => problem.Code,
        StoredAnswer { Replayed: true } or IStatusCodeHttpResult { StatusCode: StatusCodes.Status200OK } => "repeated",
        IStatusCodeHttpResult { StatusCode: >= 400 } => Problems.InvalidRequest.Code,
        _ => success,
    };
}
