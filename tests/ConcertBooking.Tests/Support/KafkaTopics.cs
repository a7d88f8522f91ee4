using System.Text;
using Confluent.Kafka;

namespace ConcertBooking.Tests.Support;

/// <summary>A message as it lies in its topic, headers as text.</summary>
internal sealed record Told(string Topic, string Key, string Value, IReadOnlyDictionary<string, string> Headers)
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
    public static Task<List<Told>> ReadAllAsync(string bootstrapServers, params string[] topics) =>
        // The client library blocks while it waits.
        Task.Factory.StartNew(
            () => ReadAll(bootstrapServers, topics), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Puts messages on their topics, past the service.</summary>
    public static async Task SendAsync(string bootstrapServers, params Told[] messages)
    {
        using var producer = new ProducerBuilder<string, string>(new ProducerConfig { BootstrapServers = bootstrapServers, Acks = Acks.All })
            .SetLogHandler((_, _) => { }).Build();
        await Task.WhenAll(messages.Select(told =>
        {
            var headers = new Headers();
            foreach (var (name, value) in told.Headers)
            {
                headers.Add(name, Encoding.UTF8.GetBytes(value));
            }

            return producer.ProduceAsync(told.Topic, new Message<string, string> { Key = told.Key, Value = told.Value, Headers = headers });
        }));
    }

    private static List<Told> ReadAll(string bootstrapServers, string[] topics)
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
        var found = new List<Told>();
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

    private static Told Read(ConsumeResult<string, string> result) => new(
        result.Topic, result.Message.Key, result.Message.Value,
        result.Message.Headers.ToDictionary(header => header.Key, header => Encoding.UTF8.GetString(header.GetValueBytes())));
}
