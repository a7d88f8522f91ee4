namespace ConcertBooking.MySql;

/// <summary>
/// A deadline for work on MySQL: for a free connection, for connecting, and for all statements and their retries together. Long
/// work has a limit of its own once the server has answered, so that a server that does not answer is still noticed in time.
/// </summary>
/// <param name="workLimit">More than zero for long work.</param>
internal sealed class Deadline(TimeSpan limit, TimeSpan workLimit = default)
{
    private readonly long _end = Environment.TickCount64 + (long)(limit + workLimit).TotalMilliseconds;
    private long _at = Environment.TickCount64 + (long)limit.TotalMilliseconds;

    /// <summary>Never negative.</summary>
    public TimeSpan Left => TimeSpan.FromMilliseconds(Math.Max(0, Volatile.Read(ref _at) - Environment.TickCount64));

    public bool HasPassed => Left == TimeSpan.Zero;

    /// <summary>Whether the server is to be asked for an answer before the work starts.</summary>
    public bool IsForLongWork => workLimit > TimeSpan.Zero;

    /// <summary>The server has answered: what follows is the work.</summary>
    public void StartWork() => Volatile.Write(ref _at, _end);

    /// <summary>Work that had started and is repeated has to reach the server again.</summary>
    public void StartAttempt()
    {
        if (IsForLongWork && Volatile.Read(ref _at) == _end)
        {
            Volatile.Write(ref _at, Math.Min(_end, Environment.TickCount64 + (long)limit.TotalMilliseconds));
        }
    }

    /// <summary>Waits for the task until the deadline; after that the task goes on unobserved.</summary>
    /// <exception cref="DatabaseUnavailableException">The deadline passed.</exception>
    public async Task<T> AwaitAsync<T>(Task<T> task, CancellationToken cancellationToken = default)
    {
        await AwaitAsync((Task)task, cancellationToken);
        return await task;
    }

    /// <inheritdoc cref="AwaitAsync{T}"/>
    public async Task AwaitAsync(Task task, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            try
            {
                await task.WaitAsync(Left, cancellationToken);
                return;
            }
            catch (TimeoutException)
            {
                if (task.IsCompleted) // in the same moment
                {
                    await task;
                    return;
                }

                if (HasPassed)
                {
                    throw new DatabaseUnavailableException("No answer in time.");
                }
            }

            // The work has started meanwhile, and has longer.
        }
    }
}

/// <summary>
/// The timeouts of MySQL. A caller waits until its <see cref="Deadline"/> and no longer; a statement past its own timeout
/// costs its connection, which the connector then closes.
/// </summary>
internal static class MySqlLimits
{
    /// <summary>
    /// One statement of the service, in seconds. Longer than the server lets a statement wait for a lock (2 s, which
    /// MySQL stretches to 3), so that only an unresponsive server reaches it. Every call of Dapper must pass it:
    /// Dapper.AOT turns a timeout that is left out into none, overriding the connection string's.
    /// </summary>
    public const int StatementSeconds = 4;

    /// <summary>The insert of up to 100,000 seats.</summary>
    public const int BulkSeconds = 60;

    /// <summary>A migration's statement, which may rebuild a large table.</summary>
    public const int MigrationSeconds = 3600;

    /// <summary>One invariant of <c>verify</c>, which reads whole tables.</summary>
    public const int VerifySeconds = 120;

    /// <summary>To connect, and one statement of the health check.</summary>
    public const int ConnectSeconds = 2;

    /// <summary>What the sessions of the service set: by default a statement waits 50 s for a row, and a year for a table.</summary>
    public const string SessionSql = "SET innodb_lock_wait_timeout = 2, lock_wait_timeout = 1";

    /// <summary>The part of a deadline that a request may wait for a free connection; the rest is for its statements.</summary>
    public static readonly TimeSpan SlotTimeout = TimeSpan.FromMilliseconds(1500);

    /// <summary>
    /// How long work that its caller gave up keeps its slot in the pool: its statement has ended by then. After that the slot
    /// is released, whatever the state of the connection.
    /// </summary>
    public static readonly TimeSpan AbandonedTimeout = TimeSpan.FromSeconds(StatementSeconds + 1);

    private static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(2);

    /// <summary>The deadline of a request that starts to wait for MySQL now: 503 after 2 s.</summary>
    public static Deadline Request => new(RequestLimit);

    /// <summary>Work that no client waits for: sweeps, gauges, the outbox, the consumers.</summary>
    public static Deadline Background => new(TimeSpan.FromSeconds(6));

    /// <summary>A request that inserts a hall or a schedule with its seats: as any other until the server has answered.</summary>
    public static Deadline Bulk => new(RequestLimit, TimeSpan.FromSeconds(BulkSeconds));
}
