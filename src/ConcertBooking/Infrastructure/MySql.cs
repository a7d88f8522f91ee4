using System.Diagnostics;
using MySqlConnector;
using Polly;
using Polly.Retry;

namespace ConcertBooking.Infrastructure;

/// <summary>MySQL did not answer in time, or not at all; the outcome of what was asked may be unknown.</summary>
internal sealed class DatabaseUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// The one way to MySQL: a bounded pool with a wait limit, a time limit on every statement, and a retry of the
/// whole unit of work when the server chose it as a deadlock's victim or the connection was lost.
/// </summary>
internal sealed partial class MySql : IAsyncDisposable
{
    /// <summary>How long a request may wait for a connection; with connecting it stays under the promised 2 s.</summary>
    private static readonly TimeSpan WaitLimit = TimeSpan.FromMilliseconds(1500);

    /// <summary>A connection lost later than this was not lost to a restart: asking again would only add to the wait.</summary>
    private static readonly TimeSpan RepeatLimit = TimeSpan.FromSeconds(1);

    private readonly MySqlPool _source;
    private readonly MySqlPool _probes;
    private readonly SemaphoreSlim _free;

    /// <summary>What reads may take of it; the rest waits for those who hold and pay.</summary>
    private readonly SemaphoreSlim _freeForReads;
    private readonly ResiliencePipeline _retry;
    private readonly ResiliencePipeline _retryUndone;
    private readonly Throttle _throttle;
    private readonly PoolLimit _limit;
    private readonly ILogger<MySql> _logger;

    /// <summary>Connections that the server takes in all.</summary>
    private volatile int _allowed = int.MaxValue;

    public MySql(Settings settings, Metrics metrics, Throttle throttle, TimeProvider time, ILogger<MySql> logger)
    {
        _throttle = throttle;
        _logger = logger;
        _free = new SemaphoreSlim(settings.MaxPoolSize);
        _freeForReads = new SemaphoreSlim(Math.Max(1, settings.MaxPoolSize / 5));
        _limit = new PoolLimit(_free, settings.MaxPoolSize, time, logger);
        metrics.WatchPool(() => _limit.Size, () => _free.CurrentCount);
        var connection = MySqlSession.Settings(settings.MySql);
        connection.MaximumPoolSize = (uint)settings.MaxPoolSize;
        connection.ConnectionTimeout = 2;
        connection.DefaultCommandTimeout = 4;
        connection.CancellationTimeout = -1; // a statement past its limit costs its connection, not a second one to kill it
        connection.ConnectionReset = false; // saves a round trip a request; Run leaves no transaction or variable behind
        connection.ConnectionLifeTime = 300; // a server that was replaced without a word is left in minutes
        var requests = connection.ConnectionString;
        _source = new MySqlPool(() => MySqlSession.Source(requests, LockWaitSql, null));
        connection.MaximumPoolSize = 1;
        connection.DefaultCommandTimeout = 2;
        connection.ApplicationName = "concert-booking health";
        var probes = connection.ConnectionString;
        _probes = new MySqlPool(() => MySqlSession.Source(probes, LockWaitSql, ReadLimits));
        _retry = Retry(MySqlErrors.IsTransient);
        _retryUndone = Retry(MySqlErrors.LeftNothing);
    }

    private ResiliencePipeline Retry(Func<Exception, bool> isWorthIt) =>
        new ResiliencePipelineBuilder()
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome.Exception is { } exception && isWorthIt(exception)),
                MaxRetryAttempts = 6,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = TimeSpan.FromMilliseconds(10),
                MaxDelay = TimeSpan.FromMilliseconds(250),
                OnRetry = async arguments =>
                {
                    var exception = arguments.Outcome.Exception!;
                    if (MySqlErrors.FaultOf(exception) is MySqlFault.ConnectionLost or MySqlFault.IdleDisconnect or MySqlFault.NotPrimary)
                    {
                        // The others in the pool have most likely died with it, or lead to the same server.
                        await LeaveServer();
                    }

                    LogRetry(exception.Message);
                },
            })
            .Build();

    private const string LockWaitSql = "SET innodb_lock_wait_timeout = 2";

    /// <summary>Each new connection of the probes asks, since it may have reached another server.</summary>
    private async Task ReadLimits(MySqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(
            "SELECT LEAST(@@max_connections, IF(@@max_user_connections > 0, @@max_user_connections, @@max_connections))", connection);
        _allowed = Convert.ToInt32(await command.ExecuteScalarAsync(cancellationToken), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// Runs one unit of work on a connection of its own. The work may run more than once: it must make its ids anew
    /// each time and hold either plain reads or one transaction that is safe to repeat after an unknown outcome.
    /// </summary>
    /// <exception cref="DatabaseUnavailableException">No connection in time, or the connection was lost again and again.</exception>
    public Task<T> Run<T>(Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        Run(_retry, work, cancellationToken);

    /// <summary>The same for a plain read, which gets a fifth of the connections at most.</summary>
    /// <exception cref="DatabaseUnavailableException">As <see cref="Run"/>.</exception>
    public async Task<T> Read<T>(Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        if (!await _freeForReads.WaitAsync(WaitLimit, cancellationToken))
        {
            throw new DatabaseUnavailableException("All connections for reads are in use.");
        }

        try
        {
            return await Run(_retry, work, cancellationToken);
        }
        finally
        {
            _freeForReads.Release();
        }
    }

    /// <summary>
    /// The same for work that must not be done twice: it is repeated when nothing of it was done (a deadlock undid it,
    /// the server refused it), but a lost connection leaves its outcome unknown.
    /// </summary>
    /// <exception cref="DatabaseUnavailableException">No connection in time, or the connection was lost.</exception>
    public Task<T> RunOnce<T>(Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        Run(_retryUndone, work, cancellationToken);

    private async Task<T> Run<T>(
        ResiliencePipeline retry, Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await retry.ExecuteAsync(
                static async (state, token) => await state.Self.Attempt(state.Work, token), (Self: this, Work: work), cancellationToken);
        }
        catch (Exception exception) when (MySqlErrors.FaultOf(exception) is not MySqlFault.None)
        {
            Doubt(MySqlErrors.FaultOf(exception));
            throw new DatabaseUnavailableException(exception.Message, exception);
        }
    }

    /// <summary>Asks for one number on a connection outside the pool's limit, so that a busy service still looks healthy.</summary>
    public async Task<int> Probe(string sql, CancellationToken cancellationToken)
    {
        await using var connection = await _probes.OpenConnectionAsync(cancellationToken);
        await using var command = new MySqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellationToken) is { } number and not DBNull
            ? Convert.ToInt32(number, System.Globalization.CultureInfo.InvariantCulture)
            : 0;
    }

    private async Task<T> Attempt<T>(Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var asked = Stopwatch.GetTimestamp();
        var granted = await _free.WaitAsync(WaitLimit, cancellationToken);
        _throttle.WaitedForConnection(Stopwatch.GetElapsedTime(asked));
        if (!granted)
        {
            throw new DatabaseUnavailableException("All connections to the database are in use.");
        }

        var started = Stopwatch.GetTimestamp();
        var exhausted = false;
        try
        {
            await using var connection = await _source.OpenConnectionAsync(cancellationToken);
            try
            {
                return await work(connection, cancellationToken);
            }
            catch (InvalidOperationException exception) when (connection.State is not System.Data.ConnectionState.Open)
            {
                // A reader that is closed after its connection broke tells no more than that.
                throw new IOException(exception.Message, exception);
            }
            catch
            {
                await Rollback(connection);
                throw;
            }
        }
        catch (MySqlException exception) when (MySqlErrors.FaultOf(exception) is MySqlFault.ConnectionsExhausted)
        {
            exhausted = true;
            throw;
        }
        catch (Exception exception) when (MySqlErrors.FaultOf(exception) is MySqlFault.ConnectionLost && Stopwatch.GetElapsedTime(started) > RepeatLimit)
        {
            throw new DatabaseUnavailableException(exception.Message, exception);
        }
        finally
        {
            if (exhausted)
            {
                _ = _limit.ReleaseLater();
            }
            else
            {
                _free.Release();
            }
        }
    }

    /// <summary>A statement that fails within a batch leaves its transaction open; the pool must not pass it on.</summary>
    private static async Task Rollback(MySqlConnection connection)
    {
        try
        {
            if (connection.State == System.Data.ConnectionState.Open)
            {
                await using var command = new MySqlCommand("ROLLBACK", connection);
                await command.ExecuteNonQueryAsync();
            }
        }
        catch (Exception exception) when (exception is MySqlException || MySqlErrors.FaultOf(exception) is not MySqlFault.None)
        {
            // The connection is gone, and with it the transaction.
        }
    }

    public async ValueTask DisposeAsync()
    {
        _free.Dispose();
        _freeForReads.Dispose();
        await _probes.DisposeAsync();
        await _source.DisposeAsync();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Repeating a transaction: {Reason}")]
    private partial void LogRetry(string reason);
}
