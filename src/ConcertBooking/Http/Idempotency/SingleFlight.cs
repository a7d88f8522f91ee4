using System.Collections.Concurrent;

namespace ConcertBooking.Http.Idempotency;

/// <summary>
/// The idempotency keys that this instance is working on. It only spares the database a queue of repeats: a second
/// request with a key that is still running is told so at once. Across instances the key's row decides.
/// </summary>
internal sealed class SingleFlight
{
    private readonly ConcurrentDictionary<(long, string, string), bool> _running = new();

    /// <summary>Runs the work unless the same key is already running here.</summary>
    public async Task<IResult> RunAsync(IdempotentCall call, Func<Task<IResult>> work)
    {
        var key = (call.UserId, call.Call, call.Key);
        if (!_running.TryAdd(key, true))
        {
            return Problems.IdempotencyKeyInUse;
        }

        try
        {
            return await work();
        }
        finally
        {
            _running.TryRemove(key, out _);
        }
    }
}
