using System.Diagnostics;

namespace ConcertBooking.Background;

/// <summary>A request waited longer than the queue timeout of its <see cref="RequestBatcher{TRequest, TResponse}"/>.</summary>
internal sealed class BatchTimeoutException() : Exception("The request waited too long for its batch.");

/// <summary>
/// Request batcher: requests that arrive at the same time share one call. One call is in flight at a time; requests that
/// arrive meanwhile form the next batch, in order. A single request is sent at once; under load requests share a round trip.
/// </summary>
/// <param name="call">Returns the responses in the order of the requests.</param>
/// <param name="maximumBatchSize">Requests in one call.</param>
/// <param name="pause">
/// Delay after a call before the next one. Requests that arrive during it wait for its end, so that under load more requests
/// share a call.
/// </param>
internal sealed class RequestBatcher<TRequest, TResponse>(
    Func<IReadOnlyList<TRequest>, Task<IReadOnlyList<TResponse>>> call, int maximumBatchSize, TimeSpan pause = default)
{
    private static readonly TimeSpan QueueTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Queue<Waiter> _waiting = [];
    private bool _calling;

    private sealed class Waiter(TRequest request) : TaskCompletionSource<TResponse>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public TRequest Request => request;

        public long Since { get; } = Stopwatch.GetTimestamp();
    }

    /// <exception cref="BatchTimeoutException">After 5 s.</exception>
    /// <exception cref="Exception">The exception of the call; it fails all requests that are waiting, since they waited for it.</exception>
    public Task<TResponse> EnqueueAsync(TRequest request)
    {
        var waiter = new Waiter(request);
        lock (_lock)
        {
            _waiting.Enqueue(waiter);
            if (_calling)
            {
                return waiter.Task;
            }

            _calling = true;
        }

        // A call serves many requests, so it runs in no request's context or trace. It is posted to the same scheduler as
        // the requests, behind those that are ready now: they join the first batch.
        if (SynchronizationContext.Current is { } scheduler)
        {
            scheduler.Post(static batcher => _ = ((RequestBatcher<TRequest, TResponse>)batcher!).SendBatchesAsync(), this);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(static batcher => _ = batcher.SendBatchesAsync(), this, preferLocal: false);
        }

        return waiter.Task;
    }

    private async Task SendBatchesAsync()
    {
        while (Next() is { } waiters)
        {
            try
            {
                var responses = await call(waiters.ConvertAll(static waiter => waiter.Request));
                for (var index = 0; index < waiters.Count; index++)
                {
                    waiters[index].SetResult(responses[index]);
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

    /// <summary>The next batch, or null when no request waits; the next request then starts a call of its own.</summary>
    private List<Waiter>? Next()
    {
        lock (_lock)
        {
            var next = new List<Waiter>(Math.Min(maximumBatchSize, _waiting.Count));
            while (next.Count < maximumBatchSize && _waiting.TryDequeue(out var waiter))
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
