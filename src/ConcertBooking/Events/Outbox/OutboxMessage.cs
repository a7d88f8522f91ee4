using System.Globalization;
using System.Text;
using ConcertBooking.Events.Consuming;
using Confluent.Kafka;

namespace ConcertBooking.Events.Outbox;

/// <summary>An event as a Kafka message: CloudEvents 1.0, binary content mode.</summary>
internal static class OutboxMessage
{
    private static readonly byte[] Source = "/concert-booking"u8.ToArray();
    private static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(static index => TableEntry((uint)index))];

    /// <param name="outboxEvent">The event.</param>
    /// <param name="traceParent">The sending span; null when there is none.</param>
    public static Message<byte[], byte[]> Of(OutboxEvent outboxEvent, string? traceParent)
    {
        var createdAt = outboxEvent.CreatedAt.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
        Headers headers =
        [
            new Header("ce_specversion", "1.0"u8.ToArray()),
            new Header("ce_id", Encoding.ASCII.GetBytes(outboxEvent.Id.ToString())),
            new Header("ce_source", Source),
            new Header("ce_type", Encoding.ASCII.GetBytes(outboxEvent.Type)),
            new Header("ce_time", Encoding.ASCII.GetBytes(createdAt)),
            new Header("content-type", "application/json"u8.ToArray()),
        ];
        if ((traceParent ?? outboxEvent.TraceParent) is { } parent)
        {
            headers.Add(MessageSpan.Header, Encoding.ASCII.GetBytes(parent));
        }

        return new() { Key = Key(outboxEvent.Key), Value = Encoding.UTF8.GetBytes(outboxEvent.Payload), Headers = headers };
    }

    /// <summary>The partition that librdkafka chooses for the key: its CRC-32, modulo the number of partitions.</summary>
    public static int Partition(Guid key, int partitions)
    {
        var crc = uint.MaxValue;
        foreach (var value in Key(key))
        {
            crc = (crc >> 8) ^ Table[(crc ^ value) & 0xFF];
        }

        return (int)(~crc % (uint)partitions);
    }

    private static byte[] Key(Guid key) => Encoding.ASCII.GetBytes(key.ToString());

    private static uint TableEntry(uint value)
    {
        for (var bit = 0; bit < 8; bit++)
        {
            value = (value >> 1) ^ ((value & 1) * 0xEDB88320);
        }

        return value;
    }
}
