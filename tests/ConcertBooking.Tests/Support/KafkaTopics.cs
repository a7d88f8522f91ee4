using System.Text;
using Confluent.Kafka;

namespace ConcertBooking.Tests.Support;

/// <summary>A message as it lies in its topic, headers as text.</summary>
internal sealed record PublishedEvent(string Topic, string Key, string Value, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary><c>ce_id</c>: a second delivery has the same.</summary>
    public Guid Id => Guid.Parse(Headers["ce_id"]);

    public string Type => Headers["ce_type"];
}

/// <summary>Reads what was published.</summary>
internal static class KafkaTopics
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Everything that is in the topics now, in the order of each partition.</summary>
    /// <param name="bootstrapServers">Where.</param>
    /// <param name="topics">Those that exist; others are passed over.</param>
    public static Task<List<PublishedEvent>> ReadAllAsync(string bootstrapServers, params string[] topics) =>
        // The client library blocks while it waits.
        Task.Factory.StartNew(
            () => ReadAll(bootstrapServers, topics), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Puts messages on their topics, past the service.</summary>
    public static async Task SendAsync(string bootstrapServers, params PublishedEvent[] messages)
    {
        using var producer = new ProducerBuilder<string, string>(
            new ProducerConfig { BootstrapServers = bootstrapServers, Acks = Acks.All })
            .SetLogHandler((_, _) => { }).Build();
        await Task.WhenAll(messages.Select(published =>
        {
            var headers = new Headers();
            foreach (var (name, value) in published.Headers)
            {
                headers.Add(name, Encoding.UTF8.GetBytes(value));
            }

            return producer.ProduceAsync(
                published.Topic, new Message<string, string> { Key = published.Key, Value = published.Value, Headers = headers });
        }));
    }

    private static List<PublishedEvent> ReadAll(string bootstrapServers, string[] topics)
    {
        var settings = new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = "tests",
            EnableAutoCommit = false,
            EnablePartitionEof = true,
        };
        using var consumer = new ConsumerBuilder<string, string>(settings).SetLogHandler((_, _) => { }).Build();
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        // Without a group: joining one takes longer than all the rest.
        var partitions = topics
            .SelectMany(topic => admin.GetMetadata(topic, Patience).Topics.Single().Partitions
                .Select(partition => new TopicPartitionOffset(topic, partition.PartitionId, Offset.Beginning)))
            .ToList();
        consumer.Assign(partitions);
        var found = new List<PublishedEvent>();
        var unread = partitions.Select(partition => partition.TopicPartition).ToHashSet();
        using var deadline = new CancellationTokenSource(Patience);
        while (unread.Count > 0)
        {
            var result = consumer.Consume(deadline.Token);
            if (result.IsPartitionEOF)
            {
                unread.Remove(result.TopicPartition);
            }
            else
            {
                found.Add(Read(result));
            }
        }
        return found;
    }

    private static PublishedEvent Read(ConsumeResult<string, string> result) => new(
        result.Topic, result.Message.Key, result.Message.Value,
        result.Message.Headers.ToDictionary(header => header.Key, header => Encoding.UTF8.GetString(header.GetValueBytes())));
}
