using System.Diagnostics;
using MySqlConnector;
using Polly;
using Polly.Retry;

namespace ConcertBooking.MySql;

/// <summary>MySQL did not answer in time, or cannot be reached; the outcome of the work may be unknown.</summary>
internal sealed class DatabaseUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The session from the pool had ended before the work reached it: nothing was done.</summary>
internal sealed class SessionEndedException(Exception inner) : Exception(inner.Message, inner);

/// <summary>
/// Access to MySQL: a bounded connection pool, a deadline for each unit of work (<see cref="MySqlLimits"/>), and a retry of
/// the whole unit when it was the victim of a deadlock or the connection was lost.
/// </summary>
internal sealed partial class MySqlDatabase : IAsyncDisposable
{
    private readonly MySqlPool _source;
    private readonly MySqlPool _probes;
    private readonly MySqlSlots _slots;
    private readonly ResiliencePipeline _retry;
    private readonly ResiliencePipeline _retryIfUndone;
    private readonly ILogger<MySqlDatabase> _logger;

    /// <summary>Connections that the server allows in all.</summary>
    private volatile int _serverLimit = int.MaxValue;

    public MySqlDatabase(Settings settings, Metrics metrics, TimeProvider time, ILogger<MySqlDatabase> logger)
    {
        _logger = logger;
        _slots = new MySqlSlots(settings.MaxPoolSize, time, logger);
        metrics.ObservePool(() => _slots.Size, () => _slots.Free);
        var connection = MySqlSession.Settings(settings.MySql);
        // The slots are the limit; the rest is for connections that hang after their slot was released.
        connection.MaximumPoolSize = 2 * (uint)settings.MaxPoolSize;
        connection.ConnectionTimeout = MySqlLimits.ConnectSeconds;
        connection.DefaultCommandTimeout = MySqlLimits.StatementSeconds;
        connection.CancellationTimeout = -1; // a statement past its limit costs its connection, not a second one to kill it
        connection.ConnectionReset = false; // saves a round trip a request; RunAsync leaves no transaction or variable behind
        connection.ConnectionLifeTime = 300; // bounds how long a server that was silently replaced is used
        var requests = connection.ConnectionString;
        _source = new MySqlPool(() => MySqlSession.Source(requests, MySqlLimits.SessionSql, null));
        connection.MaximumPoolSize = 1;
        connection.DefaultCommandTimeout = MySqlLimits.ConnectSeconds;
        connection.ApplicationName = "concert-booking health";
        var probes = connection.ConnectionString;
        _probes = new MySqlPool(() => MySqlSession.Source(probes, MySqlLimits.SessionSql, ReadLimitsAsync));
        _retry = Retry(MySqlErrors.IsTransient);
        _retryIfUndone = Retry(MySqlErrors.HadNoEffect);
    }

    /// <inheritdoc cref="MySqlSlots.TakeWaitedLong"/>
    public bool TakeWaitedLong() => _slots.TakeWaitedLong();

    private ResiliencePipeline Retry(Func<Exception, bool> isRetryable) =>
        new ResiliencePipelineBuilder()
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome.Exception is { } exception && isRetryable(exception)),
                MaxRetryAttempts = 6,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = TimeSpan.FromMilliseconds(10),
                MaxDelay = TimeSpan.FromMilliseconds(250),
                OnRetry = async arguments =>
                {
                    var exception = arguments.Outcome.Exception!;
                    if (MySqlErrors.FaultOf(exception) is MySqlFault.ConnectionLost or MySqlFault.SessionEnded or MySqlFault.NotPrimary)
                    {
                        // The other connections in the pool are most likely broken too, or lead to the same server.
                        await ClearPoolsAsync();
                    }

                    LogRetry(exception.Message);
                },
            })
            .Build();

    /// <summary>Runs for each new connection of the probes, since it may lead to another server.</summary>
    private async Task ReadLimitsAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(
            "SELECT LEAST(@@max_connections, IF(@@max_user_connections > 0, @@max_user_connections, @@max_connections))", connection);
        var limit = await command.ExecuteScalarAsync(cancellationToken);
        _serverLimit = Convert.ToInt32(limit, System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// Runs one unit of work on a connection of its own. The work may run more than once: it must create new ids each
    /// time and contain either plain reads or one transaction that is safe to repeat after an unknown outcome.
    /// A caller that stops waiting, by the deadline or the token, leaves work in progress to complete.
    /// </summary>
    /// <param name="work">
    /// Receives a token that is never cancelled: the connector would kill the statement over a second connection, and block a
    /// thread until that is open.
    /// </param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <param name="deadline">A request's, from now, when it is not given.</param>
    /// <exception cref="DatabaseUnavailableException">No answer by the deadline, or the connection was lost again and again.</exception>
    public Task<T> RunAsync<T>(
        Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken, Deadline? deadline = null) =>
        RunAsync(new UnitOfWork<T>(work, deadline ?? MySqlLimits.Request), _retry, cancellationToken);

    /// <summary>The same for a plain read, which gets a fifth of the connections at most.</summary>
    /// <exception cref="DatabaseUnavailableException">As <see cref="RunAsync"/>.</exception>
    public Task<T> ReadAsync<T>(Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        RunAsync(new UnitOfWork<T>(work, MySqlLimits.Request, isRead: true), _retry, cancellationToken);

    /// <summary>
    /// The same for work that must not be done twice: it is repeated when nothing of it was done (a deadlock undid it,
    /// the server refused it, the session had ended before it), but a connection lost meanwhile leaves its outcome unknown.
    /// </summary>
    /// <exception cref="DatabaseUnavailableException">As <see cref="RunAsync"/>, or the connection was lost.</exception>
    public Task<T> RunOnceAsync<T>(
        Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken, Deadline? deadline = null) =>
        RunAsync(new UnitOfWork<T>(work, deadline ?? MySqlLimits.Request, isOnce: true), _retryIfUndone, cancellationToken);

    /// <summary>The same once, whatever comes of it: for work that is repeated in another way.</summary>
    /// <exception cref="DatabaseUnavailableException">It was not done, or its outcome is unknown.</exception>
    public Task<T> TryAsync<T>(Func<MySqlConnection, CancellationToken, Task<T>> work) => RunAsync(
        new UnitOfWork<T>(work, MySqlLimits.Request), ResiliencePipeline.Empty, CancellationToken.None);

    private async Task<T> RunAsync<T>(UnitOfWork<T> unit, ResiliencePipeline retry, CancellationToken cancellationToken)
    {
        await RunAsync((UnitOfWork)unit, retry, cancellationToken);
        return unit.Result!;
    }

    private async Task RunAsync(UnitOfWork unit, ResiliencePipeline retry, CancellationToken cancellationToken)
    {
        try
        {
            await retry.ExecuteAsync(
                static (state, token) => new ValueTask(state.Self.AttemptAsync(state.Unit, token)), (Self: this, Unit: unit),
                cancellationToken);
        }
        catch (Exception exception) when (MySqlErrors.FaultOf(exception) is not MySqlFault.None)
        {
            RecordWriteFault(MySqlErrors.FaultOf(exception));
            throw new DatabaseUnavailableException(exception.Message, exception);
        }
    }

    /// <summary>Reads one number on a connection outside the pool, so that a busy service still counts as healthy.</summary>
    public async Task<int> ProbeAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = await _probes.OpenConnectionAsync(cancellationToken);
        await using var command = new MySqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(CancellationToken.None).WaitAsync(cancellationToken) is { } number and not DBNull
            ? Convert.ToInt32(number, System.Globalization.CultureInfo.InvariantCulture)
            : 0;
    }

    private async Task AttemptAsync(UnitOfWork unit, CancellationToken cancellationToken)
    {
        unit.Deadline.StartAttempt();
        await _slots.AcquireAsync(unit.IsRead, unit.Deadline, cancellationToken);
        var attempt = RunOnConnectionAsync(unit);
        try
        {
            await unit.Deadline.AwaitAsync(attempt, cancellationToken);
        }
        finally
        {
            _ = _slots.ReleaseAsync(attempt, unit.IsRead);
        }
    }

    private async Task RunOnConnectionAsync(UnitOfWork unit)
    {
        await using var connection = await _source.OpenConnectionAsync(CancellationToken.None);
        var leased = Stopwatch.GetTimestamp();
        if (unit.Deadline.HasPassed)
        {
            throw new DatabaseUnavailableException("No connection in time.");
        }

        try
        {
            await unit.StartAsync(connection);
            await unit.RunAsync(connection);
        }
        catch (Exception exception) when (connection.State is not System.Data.ConnectionState.Open)
        {
            await ClearOldConnectionsAsync(leased);
            if (exception is InvalidOperationException)
            {
                // A reader that is closed after its connection broke reports no more than that.
                throw new IOException(exception.Message, exception);
            }

            throw;
        }
        catch
        {
            // A statement that fails within a batch leaves its transaction open; the pool must not pass it on.
            await TimedTransaction.RollbackAsync(connection);
            throw;
        }
    }

    /// <summary>
    /// A connection that broke or timed out is seldom the only one: the idle connections are dropped as well. Once for all
    /// that fail together, since those opened afterwards are good.
    /// </summary>
    private async Task ClearOldConnectionsAsync(long leased)
    {
        if (leased > Interlocked.Read(ref _lastClear))
        {
            LogConnectionsCleared();
            await ClearPoolsAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _slots.Dispose();
        await _probes.DisposeAsync();
        await _source.DisposeAsync();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Repeating a transaction: {Reason}")]
    private partial void LogRetry(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "A connection to MySQL broke or gave no answer; the idle connections are closed as well")]
    private partial void LogConnectionsCleared();
}
