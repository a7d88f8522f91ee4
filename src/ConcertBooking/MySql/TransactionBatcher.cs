using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// Group commit: requests that arrive while others are in the database share a transaction, so a crowd pays for few commits. A
/// request that finds nobody there runs alone at once. One member never delays, spoils or swaps the answer of another: the
/// transaction skips what is locked instead of waiting, a request that it does not serve runs alone after it, and beside a slow
/// transaction a second one is begun.
/// </summary>
/// <param name="call">Names the requests in the metric and the log.</param>
/// <param name="transaction">
/// Returns the outcomes in the order of the requests; null for one that it left alone, because a row was locked or the answer is
/// anything but the plain success. Called at most once for a request, which must be safe to repeat after an unknown outcome.
/// </param>
/// <param name="keys">The rows that two requests of one transaction must not both want.</param>
internal sealed class TransactionBatcher<TRequest, TOutcome>(
    string call, SharedTransactions shared,
    Func<MySqlConnection, IReadOnlyList<TRequest>, CancellationToken, Task<IReadOnlyList<TOutcome?>>> transaction,
    Func<TRequest, IEnumerable<(long, long)>> keys)
    where TOutcome : class
{
    /// <summary>Chosen, as is one transaction in flight, from the tables in docs/decisions/0012-shared-transactions.md.</summary>
    private const int MaximumBatchSize = 32;

    /// <summary>The second one only beside a slow one.</summary>
    private const int MaximumInFlight = 2;

    /// <summary>Several times what a transaction takes.</summary>
    private static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(50);

    private readonly Lock _lock = new();
    private readonly Queue<Waiter> _waiting = [];
    private bool _isAlone;
    private int _inFlight;
    private int _slowInFlight;

    /// <summary>Under the lock. While a transaction is in flight that is soon done, the next batch is its.</summary>
    private bool MayBegin => _inFlight <= _slowInFlight && _inFlight < MaximumInFlight;

    private sealed class Waiter(TRequest request, Deadline deadline)
        : TaskCompletionSource<TOutcome?>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public TRequest Request => request;

        public bool IsAbandoned => deadline.HasPassed;
    }

    /// <param name="alone">The request in a transaction of its own, with all its refusals; it may follow an unknown outcome.</param>
    /// <param name="deadline">Of the whole request.</param>
    /// <exception cref="DatabaseUnavailableException">The deadline passed; the request may be done all the same.</exception>
    public async Task<TOutcome> RunAsync(TRequest request, Func<Task<TOutcome>> alone, Deadline deadline)
    {
        if (IsFirst())
        {
            shared.Count(call, "alone", 1);
            try
            {
                return await alone();
            }
            finally
            {
                lock (_lock)
                {
                    _isAlone = false;
                }
            }
        }

        if (await deadline.AwaitAsync(EnqueueAsync(request, deadline)) is { } outcome)
        {
            return outcome;
        }

        shared.Count(call, "repeated", 1);
        return await alone();
    }

    /// <summary>Whether nobody is in the database. The one who is does not count as a batch: it may wait for a locked row.</summary>
    private bool IsFirst()
    {
        lock (_lock)
        {
            if (_isAlone || _inFlight > 0)
            {
                return false;
            }

            _isAlone = true;
            return true;
        }
    }

    private Task<TOutcome?> EnqueueAsync(TRequest request, Deadline deadline)
    {
        var waiter = new Waiter(request, deadline);
        lock (_lock)
        {
            _waiting.Enqueue(waiter);
        }

        RunBatches();
        return waiter.Task;
    }

    private void RunBatches()
    {
        lock (_lock)
        {
            if (_waiting.Count == 0 || !MayBegin)
            {
                return;
            }

            _inFlight++;
        }

        // Behind the requests that are ready now: they join the batch. It runs in no request's context or trace.
        ThreadPool.UnsafeQueueUserWorkItem(static batcher => _ = batcher.RunBatchesAsync(), this, preferLocal: false);
    }

    private async Task RunBatchesAsync()
    {
        while (Next() is { } waiters)
        {
            IReadOnlyList<TOutcome?> outcomes = [];
            try
            {
                var requests = waiters.ConvertAll(static waiter => waiter.Request);
                outcomes = await AwaitAsync(
                    shared.TryAsync((connection, cancellationToken) => transaction(connection, requests, cancellationToken)));
            }
            catch (Exception exception)
            {
                // Undone, or of unknown outcome: each member finds out alone, and is refused there if MySQL is the reason.
                shared.Failed(call, waiters.Count, exception);
            }

            for (var index = 0; index < waiters.Count; index++)
            {
                waiters[index].SetResult(index < outcomes.Count ? outcomes[index] : null);
            }

            shared.Count(call, "shared", outcomes.Count(static outcome => outcome is not null));
        }
    }

    /// <summary>Lets the requests that wait behind a slow transaction have another.</summary>
    private async Task<IReadOnlyList<TOutcome?>> AwaitAsync(Task<IReadOnlyList<TOutcome?>> outcomes)
    {
        await ((Task)outcomes).WaitAsync(Slow).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (outcomes.IsCompleted)
        {
            return await outcomes;
        }

        Interlocked.Increment(ref _slowInFlight);
        RunBatches();
        try
        {
            return await outcomes;
        }
        finally
        {
            Interlocked.Decrement(ref _slowInFlight);
        }
    }

    /// <summary>
    /// The next members in the order of their arrival, or null when nobody waits, or another transaction serves them. Of two that
    /// want the same row one runs alone.
    /// </summary>
    private List<Waiter>? Next()
    {
        lock (_lock)
        {
            _inFlight--;
            if (!MayBegin)
            {
                return null;
            }

            var members = new List<Waiter>(Math.Min(MaximumBatchSize, _waiting.Count));
            var wanted = new HashSet<(long, long)>();
            while (members.Count < MaximumBatchSize && _waiting.TryDequeue(out var waiter))
            {
                if (waiter.IsAbandoned || keys(waiter.Request).Any(wanted.Contains))
                {
                    waiter.SetResult(null);
                    continue;
                }

                wanted.UnionWith(keys(waiter.Request));
                members.Add(waiter);
            }

            if (members.Count == 0)
            {
                return null;
            }

            _inFlight++;
            return members;
        }
    }
}
