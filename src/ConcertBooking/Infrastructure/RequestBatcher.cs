using System.Diagnostics;

namespace ConcertBooking.Infrastructure;

/// <summary>Somebody's turn did not come in time: so many are asking.</summary>
internal sealed class BatchTimeoutException() : Exception("The turn did not come in time.");

/// <summary>
/// Sends what many ask at the same time as one call. One call is on its way at a time; who comes meanwhile is taken
/// along by the next, in order. Alone, nobody waits for anybody; in a crowd, a round trip is shared.
/// </summary>
/// <param name="call">Answers the asks in their order.</param>
/// <param name="atMost">The asks of one call.</param>
/// <param name="pause">After a call, before the next: whoever asks in it waits for its end, so that a crowd shares fewer calls.</param>
internal sealed class RequestBatcher<TAsk, TAnswer>(Func<IReadOnlyList<TAsk>, Task<IReadOnlyList<TAnswer>>> call, int atMost, TimeSpan pause = default)
{
    private static readonly TimeSpan QueueTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Queue<Waiter> _waiting = [];
    private bool _calling;

    private sealed class Waiter(TAsk ask) : TaskCompletionSource<TAnswer>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public TAsk Ask => ask;

        public long Since { get; } = Stopwatch.GetTimestamp();
    }

    /// <exception cref="BatchTimeoutException">After 5 s.</exception>
    /// <exception cref="Exception">Whatever the call threw; then it is thrown to all who are waiting, for they have waited with it.</exception>
    public Task<TAnswer> EnqueueAsync(TAsk ask)
    {
        var waiter = new Waiter(ask);
        lock (_lock)
        {
            _waiting.Enqueue(waiter);
            if (_calling)
            {
                return waiter.Task;
            }

            _calling = true;
        }

        // The calls are of all who wait: they belong to nobody's request, and to nobody's trace. Whoever is ready to
        // ask at this moment asks before the call begins, as it waits in the same line.
        if (SynchronizationContext.Current is { } turns)
        {
            turns.Post(static gathering => _ = ((RequestBatcher<TAsk, TAnswer>)gathering!).SendBatchesAsync(), this);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(static gathering => _ = gathering.SendBatchesAsync(), this, preferLocal: false);
        }

        return waiter.Task;
    }

    private async Task SendBatchesAsync()
    {
        while (Next() is { } waiters)
        {
            try
            {
                var answers = await call(waiters.ConvertAll(static waiter => waiter.Ask));
                for (var index = 0; index < waiters.Count; index++)
                {
                    waiters[index].SetResult(answers[index]);
                }
            }
            catch (Exception exception)
            {
                waiters.AddRange(All());
                waiters.ForEach(waiter => waiter.TrySetException(exception));
            }

            if (pause > TimeSpan.Zero)
            {
                await Task.Delay(pause);
            }
        }
    }

    /// <summary>Those whose turn it is, or null when nobody waits: whoever comes after that calls for himself.</summary>
    private List<Waiter>? Next()
    {
        lock (_lock)
        {
            var next = new List<Waiter>(Math.Min(atMost, _waiting.Count));
            while (next.Count < atMost && _waiting.TryDequeue(out var waiter))
            {
                if (Stopwatch.GetElapsedTime(waiter.Since) < QueueTimeout)
                {
                    next.Add(waiter);
                }
                else
                {
                    waiter.SetException(new BatchTimeoutException());
                }
            }

            _calling = next.Count > 0;
            return _calling ? next : null;
        }
    }

    private Waiter[] All()
    {
        lock (_lock)
        {
            Waiter[] all = [.. _waiting];
            _waiting.Clear();
            return all;
        }
    }
}
