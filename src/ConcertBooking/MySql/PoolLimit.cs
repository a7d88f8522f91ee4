namespace ConcertBooking.MySql;

/// <summary>
/// Keeps the pool within what the server takes: some of its slots are withdrawn for as long as the server allows fewer
/// connections, and a slot whose connection was refused rests for a while, so that its work waits for another's
/// connection instead of failing.
/// </summary>
internal sealed partial class PoolLimit(SemaphoreSlim slots, int size, TimeProvider time, ILogger logger)
{
    /// <summary>How long after a refusal a slot is tried again.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(3);

    private int _withdrawn;
    private int _said;

    /// <summary>Slots of the pool that may be in use.</summary>
    public int Size => size - Volatile.Read(ref _withdrawn);

    /// <summary>Withdraws what is too much and gives back what is not; slots in use are withdrawn later. For one thread.</summary>
    /// <param name="connections">What the server takes in all. A tenth, ten at most, is left for people and commands.</param>
    public void Fit(int connections)
    {
        var surplus = Math.Max(0, size - Math.Max(1, connections - Math.Min(10, 2 + (connections / 10))));
        if (surplus > 0 && surplus != _said)
        {
            LogTooLarge(logger, size, connections, size - surplus);
        }

        _said = surplus;
        while (_withdrawn < surplus && slots.Wait(0))
        {
            _withdrawn++;
        }

        while (_withdrawn > surplus)
        {
            _withdrawn--;
            slots.Release();
        }
    }

    /// <summary>Releases a slot later: the server had no connection for it.</summary>
    public async Task ReleaseLaterAsync()
    {
        await Task.Delay(Rest, time);
        try
        {
            slots.Release();
        }
        catch (ObjectDisposedException)
        {
            // The service has ended meanwhile.
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Database__MaxPoolSize is {Size}, but MySQL allows {Connections} connections in all (max_connections): {Used} are used")]
    private static partial void LogTooLarge(ILogger logger, int size, int connections, int used);
}
