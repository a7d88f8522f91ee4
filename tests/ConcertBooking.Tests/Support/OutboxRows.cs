using System.Globalization;
using System.Text;

namespace ConcertBooking.Tests.Support;

/// <summary>Events written past the service, so that their keys, number and order are the test's.</summary>
internal static class OutboxRows
{
    private static readonly DateTimeOffset Began = DateTimeOffset.UtcNow;
    private static long _last;

    /// <summary>Fresh keys whose messages belong to that partition.</summary>
    public static List<Guid> Keys(int count, int partition = 0, int partitions = 1)
    {
        var keys = new List<Guid>();
        while (keys.Count < count)
        {
            var key = Guid.CreateVersion7();
            if (Checksum(key.ToString()) % partitions == partition)
            {
                keys.Add(key);
            }
        }
        return keys;
    }

    /// <summary>One more event of each key, later than all before: those of a statement have one time, and their ids decide.</summary>
    public static async Task AddAsync(Database database, string topic, string type, IReadOnlyList<Guid> keys)
    {
        foreach (var some in keys.Chunk(500))
        {
            var first = Interlocked.Add(ref _last, some.Length) - some.Length;
            var rows = string.Join(",", some.Select((_, index) => $"(@i{index}, @topic, @type, @k{index}, '{first + index}')"));
            await database.ExecuteAsync(
                $"INSERT INTO outbox (event_id, topic, event_type, event_key, payload) VALUES {rows}",
                [("@topic", topic), ("@type", type), .. some.SelectMany((key, index) =>
                    ((string, object?)[])[(
                        $"@i{index}", Guid.CreateVersion7(Began.AddMilliseconds(first + index))), ($"@k{index}", key)])]);
        }
    }

    public static Task<long> LeftAsync(Database database, string type) =>
        database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox WHERE event_type = @type", ("@type", type));

    /// <summary>That many different events are in the topic; of each key none lies behind a later one.</summary>
    public static async Task ExpectInOrderAsync(string bootstrapServers, string topic, int events)
    {
        var published = await KafkaTopics.ReadAllAsync(bootstrapServers, topic);
        await Assert.That(published.Select(one => one.Id).Distinct().Count()).IsEqualTo(events);
        foreach (var ofKey in published.GroupBy(one => one.Key))
        {
            var order = ofKey.Select(one => long.Parse(one.Value, CultureInfo.InvariantCulture)).ToList();
            await Assert.That(order).IsEquivalentTo(order.Order(), TUnit.Assertions.Enums.CollectionOrdering.Matching);
        }
    }

    /// <summary>CRC-32 of the key, by which Kafka's clients in C choose the partition.</summary>
    private static uint Checksum(string key)
    {
        var crc = uint.MaxValue;
        foreach (var value in Encoding.ASCII.GetBytes(key))
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320);
            }
        }
        return ~crc;
    }
}
