using System.Collections.Concurrent;
using StackExchange.Redis;

namespace ConcertBooking.Queue.Room;

/// <summary>
/// Runs the scripts of <see cref="WaitingRoomLua"/> with the keys and arguments that all of them share, and reads what all of
/// them return first: Redis's clock and the waiting times of those admitted by the call.
/// </summary>
internal sealed class WaitingRoomScripts(
    RedisClient redis, Settings settings, RedisClock clock, AdmissionController admission, Metrics metrics)
{
    /// <summary>The latest time of each queue's data that this instance has seen: data that ends before it has lost writes.</summary>
    private readonly ConcurrentDictionary<string, long> _clocks = new(StringComparer.Ordinal);

    /// <param name="script">The script.</param>
    /// <param name="queue">The queue and its settings.</param>
    /// <param name="isNew">Nobody has ever entered the queue, so that missing data is not a loss.</param>
    /// <param name="arguments">The script's own arguments.</param>
    /// <param name="seats">The script's own keys.</param>
    public async Task<RedisResult[]> EvalAsync(
        RedisScript script, QueueSettings queue, bool isNew,
        IReadOnlyCollection<RedisValue> arguments, IReadOnlyCollection<RedisKey>? seats = null)
    {
        var reply = (RedisResult[])(await redis.EvalAsync(
            script,
            [.. Keys(queue.Name), .. seats ?? []],
            [
                queue.MaxActive, (long)queue.Active.TotalMilliseconds, queue.Version, queue.AdmitPerSecond,
                (long)settings.QueueIdle.TotalMilliseconds, (long)settings.QueueSettle.TotalMilliseconds,
                _clocks.GetValueOrDefault(queue.Name), admission.Share, queue.Name, isNew ? 1 : 0,
                .. arguments,
            ]))!;
        var now = (long)reply[0];
        clock.Update(now);
        _clocks.AddOrUpdate(queue.Name, static (_, now) => now, static (_, known, now) => Math.Max(known, now), now);
        foreach (var waited in (long[])reply[1]!)
        {
            metrics.Admitted(TimeSpan.FromMilliseconds(waited));
        }

        return reply;
    }

    /// <summary>For a seat's lock, which expires by itself: while Redis cannot be reached, nothing is done.</summary>
    public async Task EvalBestEffortAsync(RedisScript script, RedisKey seat, RedisValue[] arguments)
    {
        try
        {
            await redis.EvalAsync(script, [seat], arguments);
        }
        catch (RedisUnavailableException)
        {
            // The lock expires.
        }
    }

    public static RedisKey SeatKey(string queue, long scheduleId, int seatNo) => $"{{q:{queue}}}:seat:{scheduleId}:{seatNo}";

    private static RedisKey[] Keys(string queue) =>
        [$"{{q:{queue}}}:waiting", $"{{q:{queue}}}:active", $"{{q:{queue}}}:seen", $"{{q:{queue}}}:gone", $"{{q:{queue}}}:meta",
            $"{{q:{queue}}}:doubted", $"{{q:{queue}}}:shown"];
}
