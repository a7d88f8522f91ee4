using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace ConcertBooking.Kafka;

/// <summary>
/// The Kafka producer and the state of the cluster: whether brokers can be reached and the topics exist. A producer that met
/// a fatal error is replaced. Without the setting there is none, events wait in the outbox, and one line at start says so.
/// </summary>
internal sealed partial class KafkaCluster(Settings settings, TimeProvider time, ILogger<KafkaCluster> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MetadataTimeout = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Brokers may be reachable and still refuse the producer: one that replaces another is not used before this has passed.
    /// </summary>
    private static readonly TimeSpan Probation = TimeSpan.FromSeconds(2);

    /// <summary>The delivery timeout: a message that is not acknowledged by then is not sent later either.</summary>
    public static readonly TimeSpan MessageTimeout = TimeSpan.FromSeconds(8);

    private volatile IProducer<byte[], byte[]>? _producer;
    private volatile bool _reachable;
    private volatile string[] _required = [];
    private volatile Dictionary<string, int> _partitions = [];
    private readonly LogThrottle _downReminder = new(time);
    private readonly LogThrottle _missingReminder = new(time);
    private bool _logUpNext = true;
    private string? _library;

    public bool IsConfigured => settings.Kafka.BootstrapServers.Length > 0;

    /// <summary>The producer; null while no broker can be reached.</summary>
    public IProducer<byte[], byte[]>? Producer => _reachable ? _producer : null;

    /// <summary>Whether brokers can be reached and have the topics that are required here.</summary>
    public bool Up => _reachable && !_required.Any(IsMissing);

    /// <summary>Declares topics, which are created where they are missing; to be called before the service starts.</summary>
    public void Require(params string[] topics) => _required = topics;

    /// <summary>Whether a required topic does not exist.</summary>
    public bool IsMissing(string topic) => _required.Contains(topic) && !_partitions.ContainsKey(topic);

    /// <summary>How many partitions a required topic has; 1 for other topics, of which nothing is known.</summary>
    public int Partitions(string topic) => _partitions.GetValueOrDefault(topic, 1);

    /// <summary>
    /// Loading librdkafka and requesting metadata both block, so they have a thread of their own; starting
    /// does not wait for them.
    /// </summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!IsConfigured)
        {
            LogDown("ConnectionStrings__Kafka is empty");
            return Task.CompletedTask;
        }

        return Task.Factory.StartNew(
            () => RunProducers(stoppingToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>One producer after the other, each until its fatal error.</summary>
    private void RunProducers(CancellationToken stoppingToken)
    {
        var probation = TimeSpan.Zero;
        while (!stoppingToken.IsCancellationRequested)
        {
            var createdAt = time.GetTimestamp();
            KafkaSession? session = null;
            string problem;
            try
            {
                LoadLibrary();
                session = new KafkaSession(settings);
                _producer = session.Producer;
                Monitor(session, probation, stoppingToken);
                if (session.FatalError is not { } error)
                {
                    return; // The host stops; the producer is disposed with it, when it is no longer used.
                }

                problem = error;
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                problem = exception.Message;
            }

            UpdateStatus(problem);
            _producer = null;
            if (session is not null)
            {
                Task.Factory.StartNew(session.Dispose, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }

            probation = Probation;
            var pause = Interval - time.GetElapsedTime(createdAt);
            if (pause > TimeSpan.Zero)
            {
                stoppingToken.WaitHandle.WaitOne(pause);
            }
        }
    }

    private void LoadLibrary()
    {
        var library = KafkaLibrary.Load();
        if (library != _library)
        {
            LogLibrary(_library = library);
        }
    }

    /// <summary>Polls the brokers until the producer's fatal error or the shutdown.</summary>
    private void Monitor(KafkaSession session, TimeSpan probation, CancellationToken stoppingToken)
    {
        long? reachableSince = null;
        while (!stoppingToken.IsCancellationRequested && session.FatalError is null)
        {
            string? problem;
            try
            {
                problem = RefreshMetadata(session);
                reachableSince ??= problem is null ? time.GetTimestamp() : null;
            }
            catch (KafkaException exception)
            {
                problem = session.LastError ?? exception.Error.Reason;
            }

            var onProbation = problem is null && time.GetElapsedTime(reachableSince!.Value) < probation;
            if (!onProbation)
            {
                UpdateStatus(problem, session);
            }

            WaitHandle.WaitAny([stoppingToken.WaitHandle, session.Changed], onProbation ? Probation : Interval);
        }
    }

    /// <returns>Why Kafka is down; null when it is not.</returns>
    private string? RefreshMetadata(KafkaSession session)
    {
        var metadata = session.AdminClient.GetMetadata(MetadataTimeout);
        if (metadata.Brokers.Count == 0)
        {
            return "no broker answered";
        }

        var found = metadata.Topics.Where(static topic => Exists(topic))
            .ToDictionary(static topic => topic.Topic, static topic => topic.Partitions.Count);
        var missing = _required.Where(topic => !found.ContainsKey(topic)).ToList();
        var reason = missing.Count == 0 ? "" : Create(session, missing);
        foreach (var name in missing)
        {
            // Where brokers create topics automatically, this request triggers it.
            if (session.AdminClient.GetMetadata(name, MetadataTimeout).Topics.SingleOrDefault() is { } topic && Exists(topic))
            {
                found[name] = topic.Partitions.Count;
            }
        }

        missing.RemoveAll(found.ContainsKey);
        _partitions = _required.Except(missing).ToDictionary(static topic => topic, topic => found[topic]);
        if (missing.Count > 0 && _missingReminder.IsDue())
        {
            LogMissing(string.Join(", ", missing), reason);
        }

        return null;
    }

    private static bool Exists(TopicMetadata topic) => !topic.Error.IsError && topic.Partitions.Count > 0;

    /// <returns>Why a topic was not created.</returns>
    private string Create(KafkaSession session, List<string> topics)
    {
        try
        {
            session.AdminClient.CreateTopicsAsync(
                topics.Select(topic => new TopicSpecification
                {
                    Name = topic,
                    NumPartitions = settings.Kafka.Partitions,
                    ReplicationFactor = settings.Kafka.ReplicationFactor,
                }),
                new CreateTopicsOptions { RequestTimeout = Interval, OperationTimeout = Interval }).GetAwaiter().GetResult();
            return "created just now";
        }
        catch (CreateTopicsException exception)
        {
            return exception.Results.First(static result => result.Error.IsError).Error.Reason;
        }
        catch (KafkaException exception)
        {
            return exception.Error.Reason;
        }
    }

    private void UpdateStatus(string? problem, KafkaSession? session = null)
    {
        _reachable = problem is null && session?.FatalError is null;
        if (problem is null)
        {
            if (_logUpNext)
            {
                LogUp();
                _logUpNext = false;
            }
        }
        else if (_downReminder.IsDue())
        {
            LogDown(problem);
            _logUpNext = true;
        }
    }

    public override void Dispose()
    {
        _producer?.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Loaded librdkafka {Library}")]
    private partial void LogLibrary(string library);

    [LoggerMessage(Level = LogLevel.Information, Message = "Kafka answers")]
    private partial void LogUp();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka is down, events wait in the outbox: {Reason}")]
    private partial void LogDown(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Kafka has no topic {Topics}, its events wait in the outbox; create it, or allow the service to: {Reason}")]
    private partial void LogMissing(string topics, string reason);
}
