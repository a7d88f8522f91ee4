using System.Diagnostics;

namespace ConcertBooking.MySql;

/// <summary>Who may have a connection: so many units of work at a time, and a fifth of them reads.</summary>
internal sealed class MySqlSlots : IDisposable
{
    private static readonly TimeSpan LongWait = TimeSpan.FromMilliseconds(500);

    private readonly SemaphoreSlim _free;
    private readonly PoolLimit _limit;

    /// <summary>What reads may take of it; the rest waits for those who hold and pay.</summary>
    private readonly SemaphoreSlim _freeForReads;

    private bool _waitedLong;

    public MySqlSlots(int size, TimeProvider time, ILogger logger)
    {
        _free = new SemaphoreSlim(size);
        _freeForReads = new SemaphoreSlim(Math.Max(1, size / 5));
        _limit = new PoolLimit(_free, size, time, logger);
    }

    /// <summary>As many as the server takes.</summary>
    public int Size => _limit.Size;

    public int Free => _free.CurrentCount;

    /// <summary>Whether somebody has waited half a second or longer since this was last asked, with success or without.</summary>
    public bool TakeWaitedLong() => Interlocked.Exchange(ref _waitedLong, false);

    /// <inheritdoc cref="PoolLimit.Fit"/>
    public void Fit(int connections) => _limit.Fit(connections);

    /// <exception cref="DatabaseUnavailableException">None was free in time.</exception>
    public async Task TakeAsync(bool isRead, Deadline deadline, CancellationToken cancellationToken)
    {
        if (isRead && !await TakeAsync(_freeForReads, deadline, cancellationToken))
        {
            throw new DatabaseUnavailableException("All connections for reads are in use.");
        }

        var granted = false;
        var asked = Stopwatch.GetTimestamp();
        try
        {
            granted = await TakeAsync(_free, deadline, cancellationToken);
        }
        finally
        {
            if (Stopwatch.GetElapsedTime(asked) >= LongWait)
            {
                Volatile.Write(ref _waitedLong, true);
            }

            if (isRead && !granted)
            {
                _freeForReads.Release();
            }
        }

        if (!granted)
        {
            throw new DatabaseUnavailableException("All connections to the database are in use.");
        }
    }

    /// <summary>
    /// Gives a slot back when its work has ended, and by time when that never does: it is not for a server to decide
    /// it by its silence.
    /// </summary>
    public async Task ReleaseAsync(Task work, bool isRead)
    {
        if (!work.IsCompleted)
        {
            await work.WaitAsync(MySqlLimits.Abandoned).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
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

    private static Task<bool> TakeAsync(SemaphoreSlim slots, Deadline deadline, CancellationToken cancellationToken) =>
        slots.WaitAsync(deadline.Left < MySqlLimits.Slot ? deadline.Left : MySqlLimits.Slot, cancellationToken);
}
