using System.Diagnostics;

namespace ConcertBooking.MySql;

/// <summary>Concurrency limiter for MySQL: one slot per unit of work, and reads get a fifth of the slots at most.</summary>
internal sealed class MySqlSlots : IDisposable
{
    private static readonly TimeSpan LongWaitThreshold = TimeSpan.FromMilliseconds(500);

    private readonly SemaphoreSlim _free;
    private readonly PoolLimit _limit;

    /// <summary>The slots that reads may use; the rest is reserved for writes.</summary>
    private readonly SemaphoreSlim _freeForReads;

    private bool _waitedLong;

    public MySqlSlots(int size, TimeProvider time, ILogger logger)
    {
        _free = new SemaphoreSlim(size);
        _freeForReads = new SemaphoreSlim(Math.Max(1, size / 5));
        _limit = new PoolLimit(_free, size, time, logger);
    }

    /// <summary>At most as many as the server allows.</summary>
    public int Size => _limit.Size;

    public int Free => _free.CurrentCount;

    /// <summary>Whether a unit of work has waited half a second or longer since the last call; resets it.</summary>
    public bool TakeWaitedLong() => Interlocked.Exchange(ref _waitedLong, false);

    /// <inheritdoc cref="PoolLimit.SetServerLimit"/>
    public void SetServerLimit(int connections) => _limit.SetServerLimit(connections);

    /// <exception cref="DatabaseUnavailableException">None was free in time.</exception>
    public async Task AcquireAsync(bool isRead, Deadline deadline, CancellationToken cancellationToken)
    {
        if (isRead && !await AcquireAsync(_freeForReads, deadline, cancellationToken))
        {
            throw new DatabaseUnavailableException("All connections for reads are in use.");
        }

        var acquired = false;
        var waitStart = Stopwatch.GetTimestamp();
        try
        {
            acquired = await AcquireAsync(_free, deadline, cancellationToken);
        }
        finally
        {
            if (Stopwatch.GetElapsedTime(waitStart) >= LongWaitThreshold)
            {
                Volatile.Write(ref _waitedLong, true);
            }

            if (isRead && !acquired)
            {
                _freeForReads.Release();
            }
        }

        if (!acquired)
        {
            throw new DatabaseUnavailableException("All connections to the database are in use.");
        }
    }

    /// <summary>
    /// Releases a slot when its work has ended, or after a timeout when that never does: an unresponsive server must not keep
    /// it.
    /// </summary>
    public async Task ReleaseAsync(Task work, bool isRead)
    {
        if (!work.IsCompleted)
        {
            await work.WaitAsync(MySqlLimits.AbandonedTimeout).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (isRead)
        {
            _freeForReads.Release();
        }

        if (work.Exception?.InnerException is { } failure && MySqlErrors.FaultOf(failure) is MySqlFault.ConnectionsExhausted)
        {
            await _limit.ReleaseLaterAsync();
        }
        else
        {
            _free.Release();
        }
    }

    public void Dispose()
    {
        _free.Dispose();
        _freeForReads.Dispose();
    }

    private static Task<bool> AcquireAsync(SemaphoreSlim slots, Deadline deadline, CancellationToken cancellationToken) =>
        slots.WaitAsync(deadline.Left < MySqlLimits.SlotTimeout ? deadline.Left : MySqlLimits.SlotTimeout, cancellationToken);
}
