using System.Collections.Concurrent;

namespace ConcertBooking.Http.Idempotency;

/// <summary>
/// Lets one request an idempotency key run on this instance at a time: a second one is refused at once instead of waiting
/// in the database. That is for load only; across instances the key's row decides.
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
