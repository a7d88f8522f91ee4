using System.Runtime.ExceptionServices;

namespace ConcertBooking.Queue.Room;

/// <summary>
/// Runs work on several queues concurrently. In a Redis Cluster they live on different servers: one whose server hangs or
/// fails does not hold up the others.
/// </summary>
internal static class EachQueue
{
    private const int MaximumConcurrency = 50;

    /// <exception cref="Exception">Of a queue that failed, after the work on all; a fault in preference to an outage.</exception>
    public static async Task RunAsync<T>(IEnumerable<T> queues, Func<T, Task> work)
    {
        Exception? outage = null, fault = null;
        await Parallel.ForEachAsync(queues, new ParallelOptions { MaxDegreeOfParallelism = MaximumConcurrency }, async (queue, _) =>
        {
            try
            {
                await work(queue);
            }
            catch (RedisUnavailableException exception)
            {
                Volatile.Write(ref outage, exception);
            }
            catch (Exception exception)
            {
                Volatile.Write(ref fault, exception);
            }
        });
        if ((fault ?? outage) is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }
}
