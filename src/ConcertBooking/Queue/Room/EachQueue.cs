using System.Runtime.ExceptionServices;

namespace ConcertBooking.Queue.Room;

/// <summary>
/// Work on several queues. In a Redis Cluster they live on different servers, so each is worked on by itself: one whose
/// server hangs holds up no other, and no failure of one ends the work on the rest.
/// </summary>
internal static class EachQueue
{
    private const int AtOnce = 50;

    /// <exception cref="Exception">That of one that failed, after all were worked on; a fault rather than an outage.</exception>
    public static async Task RunAsync<T>(IEnumerable<T> queues, Func<T, Task> work)
    {
        Exception? outage = null, fault = null;
        await Parallel.ForEachAsync(queues, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (queue, _) =>
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
