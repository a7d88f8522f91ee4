using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace ConcertBooking.Kafka;

/// <summary>
/// The producer, whether brokers answer, and whether the topics are there. A producer that met a fatal error is
/// replaced. Without the setting there is none: events wait in the outbox.
/// </summary>
internal sealed partial class KafkaCluster(Settings settings, TimeProvider time, ILogger<KafkaCluster> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);
    /// <summary>Brokers may answer and still refuse the producer: one that replaces another is not used before this has passed.</summary>
    private static readonly TimeSpan Trial = TimeSpan.FromSeconds(2);

    /// <summary>A message that is not acknowledged by then is not sent later either.</summary>
    public static readonly TimeSpan MessageTimeout = TimeSpan.FromSeconds(8);

    private volatile IProducer<byte[], byte[]>? _producer;
    private volatile bool _answers;
    private volatile string[] _required = [];
    private volatile Dictionary<string, int> _partitions = [];
    private readonly LogThrottle _downReminder = new(time);
    private readonly LogThrottle _missingReminder = new(time);
    private bool _upIsNews = true;
    private string? _library;

    public bool IsConfigured => settings.Kafka.BootstrapServers.Length > 0;

    /// <summary>The producer while brokers answer.</summary>
    public IProducer<byte[], byte[]>? Producer => _answers ? _producer : null;

    /// <summary>Whether brokers answer and have the topics that are required here.</summary>
    public bool Up => _answers && !_required.Any(Lacks);

    /// <summary>Topics to be created where they are missing; to be called before the service starts.</summary>
    public void Require(params string[] topics) => _required = topics;

    /// <summary>Whether a required topic is not there.</summary>
    public bool Lacks(string topic) => _required.Contains(topic) && !_partitions.ContainsKey(topic);

    /// <summary>How many partitions a required topic has; of others nothing is known, so 1.</summary>
    public int Partitions(string topic) => _partitions.GetValueOrDefault(topic, 1);

    /// <summary>
    /// Loading librdkafka and asking brokers for metadata both block, so they have a thread of their own; starting
    /// does not wait for them.
    /// </summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => !IsConfigured
        ? Task.CompletedTask
        : Task.Factory.StartNew(
            () => KeepProducer(stoppingToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>One producer after the other, each until its fatal error.</summary>
    private void KeepProducer(CancellationToken stoppingToken)
    {
        var trial = TimeSpan.Zero;
        while (!stoppingToken.IsCancellationRequested)
        {
            var built = time.GetTimestamp();
            KafkaSession? session = null;
            string problem;
            try
            {
                LoadLibrary();
                session = new KafkaSession(settings);
                _producer = session.Producer;
                Watch(session, trial, stoppingToken);
                if (session.Fatal is not { } error)
                {
                    return; // The host stops; the producer is disposed with it, when nobody uses it any more.
                }

                problem = error;
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                problem = exception.Message;
            }

            Notice(problem);
            _producer = null;
            if (session is not null)
            {
                Task.Factory.StartNew(session.Dispose, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }

            trial = Trial;
            var left = Interval - time.GetElapsedTime(built);
            if (left > TimeSpan.Zero)
            {
                stoppingToken.WaitHandle.WaitOne(left);
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

    /// <summary>Asks the brokers again and again, until the fatal error or the end.</summary>
    private void Watch(KafkaSession session, TimeSpan trial, CancellationToken stoppingToken)
    {
        long? answered = null;
        while (!stoppingToken.IsCancellationRequested && session.Fatal is null)
        {
            string? problem;
            try
            {
                problem = Ask(session);
                answered ??= problem is null ? time.GetTimestamp() : null;
            }
            catch (KafkaException exception)
            {
                problem = session.LastError ?? exception.Error.Reason;
            }

            var isOnTrial = problem is null && time.GetElapsedTime(answered!.Value) < trial;
            if (!isOnTrial)
            {
                Notice(problem, session);
            }

            WaitHandle.WaitAny([stoppingToken.WaitHandle, session.Changed], isOnTrial ? Trial : Interval);
        }
    }

    /// <returns>Why Kafka is down; null when it is not.</returns>
    private string? Ask(KafkaSession session)
    {
        var metadata = session.Admin.GetMetadata(Limit);
        if (metadata.Brokers.Count == 0)
        {
            return "no broker answered";
        }

        var found = metadata.Topics.Where(static topic => IsThere(topic))
            .ToDictionary(static topic => topic.Topic, static topic => topic.Partitions.Count);
        var missing = _required.Where(topic => !found.ContainsKey(topic)).ToList();
        var reason = missing.Count == 0 ? "" : Create(session, missing);
        foreach (var name in missing)
        {
            // Where brokers create topics by themselves, this makes them do it.
            if (session.Admin.GetMetadata(name, Limit).Topics.SingleOrDefault() is { } topic && IsThere(topic))
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

    private static bool IsThere(TopicMetadata topic) => !topic.Error.IsError && topic.Partitions.Count > 0;

    /// <returns>Why one was not created.</returns>
    private string Create(KafkaSession session, List<string> topics)
    {
        try
        {
            session.Admin.CreateTopicsAsync(
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

    private void Notice(string? problem, KafkaSession? session = null)
    {
        _answers = problem is null && session?.Fatal is null;
        if (problem is null)
        {
            if (_upIsNews)
            {
                LogUp();
                _upIsNews = false;
            }
        }
        else if (_downReminder.IsDue())
        {
            LogDown(problem);
            _upIsNews = true;
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
