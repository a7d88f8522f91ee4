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

    private readonly MySqlDataSource _source;
    private readonly MySqlDataSource _probes;
    private readonly SemaphoreSlim _free;

    /// <summary>What reads may take of it; the rest waits for those who hold and pay.</summary>
    private readonly SemaphoreSlim _freeForReads;
    private readonly ResiliencePipeline _retry;
    private readonly ResiliencePipeline _retryDeadlocks;
    private readonly Throttle _throttle;
    private readonly ILogger<MySql> _logger;

    public MySql(Settings settings, Metrics metrics, Throttle throttle, ILogger<MySql> logger)
    {
        _throttle = throttle;
        _logger = logger;
        _free = new SemaphoreSlim(settings.MaxPoolSize);
        _freeForReads = new SemaphoreSlim(Math.Max(1, settings.MaxPoolSize / 5));
        metrics.WatchPool(settings.MaxPoolSize, () => _free.CurrentCount);
        var connection = new MySqlConnectionStringBuilder(settings.MySql)
        {
            MaximumPoolSize = (uint)settings.MaxPoolSize,
            ConnectionTimeout = 2,
            DefaultCommandTimeout = 4,
            CancellationTimeout = -1, // a statement past its limit costs its connection, not a second one to kill it
            ConnectionReset = false, // saves a round trip a request; Run leaves no transaction or variable behind
            GuidFormat = MySqlGuidFormat.Binary16,
            DateTimeKind = MySqlDateTimeKind.Utc,
            UseAffectedRows = true,
            AllowUserVariables = true, // set and read within one batch
            ApplicationName = "concert-booking",
        };
        var builder = new MySqlDataSourceBuilder(connection.ConnectionString);
        builder.UseConnectionOpenedCallback(static async (context, cancellationToken) =>
        {
            if (context.Conditions.HasFlag(MySqlConnectionOpenedConditions.New))
            {
                await using var command = new MySqlCommand(SessionSql, context.Connection);
                await command.ExecuteNonQueryAsync(cancellationToken);
            }
        });
        _source = builder.Build();
        connection.MaximumPoolSize = 1;
        connection.DefaultCommandTimeout = 2;
        connection.ApplicationName = "concert-booking health";
        _probes = new MySqlDataSource(connection.ConnectionString);
        _retry = Retry(static exception => IsDeadlock(exception) || IsConnectionLost(exception));
        _retryDeadlocks = Retry(IsDeadlock);
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
                    if (IsConnectionLost(exception))
                    {
                        // The others in the pool have most likely died with it.
                        await using var any = _source.CreateConnection();
                        await MySqlConnection.ClearPoolAsync(any);
                    }

                    LogRetry(exception.Message);
                },
            })
            .Build();

    /// <summary>
    /// READ COMMITTED: every statement sees what is committed when it starts, so a statement that waited for a lock
    /// judges the present. The time zone makes TIMESTAMP columns read as UTC.
    /// </summary>
    private const string SessionSql = """
        SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SET time_zone = '+00:00', innodb_lock_wait_timeout = 2;
        """;

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
    /// The same for work that must not be done twice: a deadlock undid it, so that is repeated, but a lost connection
    /// leaves its outcome unknown.
    /// </summary>
    /// <exception cref="DatabaseUnavailableException">No connection in time, or the connection was lost.</exception>
    public Task<T> RunOnce<T>(Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        Run(_retryDeadlocks, work, cancellationToken);

    private async Task<T> Run<T>(
        ResiliencePipeline retry, Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await retry.ExecuteAsync(
                static async (state, token) => await state.Self.Attempt(state.Work, token), (Self: this, Work: work), cancellationToken);
        }
        catch (Exception exception) when (IsDeadlock(exception) || IsConnectionLost(exception)
            || exception is MySqlException { ErrorCode: MySqlErrorCode.LockWaitTimeout or MySqlErrorCode.CommandTimeoutExpired })
        {
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
        catch (Exception exception) when (IsConnectionLost(exception) && Stopwatch.GetElapsedTime(started) > RepeatLimit)
        {
            throw new DatabaseUnavailableException(exception.Message, exception);
        }
        finally
        {
            _free.Release();
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
        catch (Exception exception) when (exception is MySqlException || IsConnectionLost(exception))
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

    private static bool IsDeadlock(Exception exception) =>
        exception is MySqlException { ErrorCode: MySqlErrorCode.LockDeadlock };

    private const int ConnectionKilledOnMariaDb = 1927;
    private const int SessionKilledOnMySql = 3169;

    /// <summary>The connector lets a failed write to a connection that died in the pool through as it is, not as its own exception.</summary>
    private static bool IsConnectionLost(Exception exception)
    {
        if (exception is DatabaseUnavailableException)
        {
            return false; // It carries the lost connection inside, and was given up.
        }

        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is IOException or System.Net.Sockets.SocketException)
            {
                return true;
            }
        }

        return exception is MySqlException mysql
            && (mysql.ErrorCode is MySqlErrorCode.UnableToConnectToHost or MySqlErrorCode.ServerShutdown
                or MySqlErrorCode.ConnectionCountError or MySqlErrorCode.QueryInterrupted
                || mysql.Number is ConnectionKilledOnMariaDb or SessionKilledOnMySql);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Repeating a transaction: {Reason}")]
    private partial void LogRetry(string reason);
}
