using System.Globalization;
using System.Text;
using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <summary>
/// The headers of a dead letter: those of the original, then ours. A replayed letter has the original's only, and the name
/// of the group that gave it up, because the other groups have processed it.
/// </summary>
internal static class DeadLetterHeaders
{
    /// <summary>Of a replayed message: the one group that consumes it; the others skip it.</summary>
    public const string ReplayGroup = "x-replay-group";

    private const string OriginalTopic = "x-original-topic";
    private const string ConsumerGroup = "x-consumer-group";
    private const int MaximumReasonLength = 1000;

    private static readonly string[] Ours =
        [OriginalTopic, "x-original-partition", "x-original-offset", "x-exception", "x-attempts", "x-failed-at", ConsumerGroup];

    public static Headers ForLetter(ReceivedEvent received, string group, DateTimeOffset now)
    {
        var original = received.Result;
        var headers = new Headers();
        foreach (var header in original.Message.Headers?.Where(static header => header.Key != ReplayGroup) ?? [])
        {
            headers.Add(header.Key, header.GetValueBytes());
        }

        var reason = $"{received.Failure?.GetType().Name}: {received.Failure?.Message}";
        string[] values =
        [
            original.Topic,
            original.Partition.Value.ToString(CultureInfo.InvariantCulture),
            original.Offset.Value.ToString(CultureInfo.InvariantCulture),
            reason.Length > MaximumReasonLength ? reason[..MaximumReasonLength] : reason,
            received.Attempts.ToString(CultureInfo.InvariantCulture),
            now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
            group,
        ];
        foreach (var (name, value) in Ours.Zip(values))
        {
            headers.Add(name, Encoding.UTF8.GetBytes(value));
        }

        return headers;
    }

    /// <summary>
    /// Removes what <see cref="ForLetter"/> added, which stands behind a header of the same name of the original. A letter
    /// that names no group is replayed to all groups.
    /// </summary>
    public static Headers ForReplay(Headers letter)
    {
        var kept = letter.ToList();
        foreach (var name in Ours)
        {
            if (kept.FindLastIndex(header => header.Key == name) is >= 0 and var last)
            {
                kept.RemoveAt(last);
            }
        }

        var headers = new Headers();
        foreach (var header in kept.Where(static header => header.Key != ReplayGroup))
        {
            headers.Add(header.Key, header.GetValueBytes());
        }

        if (letter.TryGetLastBytes(ConsumerGroup, out var group))
        {
            headers.Add(ReplayGroup, group);
        }

        return headers;
    }

    /// <summary>Null when the letter does not name it.</summary>
    public static string? TopicOf(Headers letter) =>
        letter.TryGetLastBytes(OriginalTopic, out var topic) && topic is not null ? Encoding.UTF8.GetString(topic) : null;
}
