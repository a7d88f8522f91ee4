namespace ConcertBooking.MySql;

/// <summary>
/// Adapts the pool size to the server's connection limit: slots are withdrawn while the server allows fewer connections, and
/// a slot whose connection was refused is released later, so that its work waits for another's connection instead of failing.
/// </summary>
internal sealed partial class PoolLimit(SemaphoreSlim slots, int size, TimeProvider time, ILogger logger)
{
    /// <summary>How long after a refused connection its slot is used again.</summary>
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(3);

    private int _withdrawn;
    private int _loggedSurplus;

    /// <summary>Slots of the pool that may be in use.</summary>
    public int Size => size - Volatile.Read(ref _withdrawn);

    /// <summary>Withdraws surplus slots or returns withdrawn ones; slots in use are withdrawn later. Not thread-safe.</summary>
    /// <param name="connections">What the server allows in all. A tenth, ten at most, is left for operators and commands.</param>
    public void SetServerLimit(int connections)
    {
        var surplus = Math.Max(0, size - Math.Max(1, connections - Math.Min(10, 2 + (connections / 10))));
        while (_withdrawn < surplus && slots.Wait(0))
        {
            _withdrawn++;
        }

        while (_withdrawn > surplus)
        {
            _withdrawn--;
            slots.Release();
        }

        if (surplus > 0 && surplus != _loggedSurplus)
        {
            LogTooLarge(logger, size, connections, size - surplus);
        }

        _loggedSurplus = surplus;
    }

    /// <summary>Releases a slot later: the server had no connection for it.</summary>
    public async Task ReleaseLaterAsync()
    {
        await Task.Delay(RetryDelay, time);
        try
        {
            slots.Release();
        }
        catch (ObjectDisposedException)
        {
            // The service has stopped meanwhile.
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Database__MaxPoolSize is {Size}, but MySQL allows {Connections} connections in all (max_connections): {Used} are used")]
    private static partial void LogTooLarge(ILogger logger, int size, int connections, int used);
}
