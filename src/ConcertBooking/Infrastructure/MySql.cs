using System.Diagnostics;
using MySqlConnector;
using Polly;
using Polly.Retry;

namespace ConcertBooking.Infrastructure;

/// <summary>MySQL did not answer in time, or not at all; the outcome of what was asked may be unknown.</summary>
internal sealed class DatabaseUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// The one way to MySQL: a bounded pool, a deadline for each unit of work (<see cref="MySqlLimits"/>), and a retry of
/// the whole of it when the server chose it as a deadlock's victim or the connection was lost.
/// </summary>
internal sealed partial class MySql : IAsyncDisposable
{
    private readonly MySqlDataSource _source;
    private readonly MySqlDataSource _probes;
    private readonly MySqlSlots _slots;
    private readonly ResiliencePipeline _retry;
    private readonly ResiliencePipeline _retryDeadlocks;
    private readonly Throttle _throttle;
    private readonly ILogger<MySql> _logger;
    private long _cleared;

    public MySql(Settings settings, Metrics metrics, Throttle throttle, ILogger<MySql> logger)
    {
        _throttle = throttle;
        _logger = logger;
        _slots = new MySqlSlots(settings.MaxPoolSize);
        metrics.WatchPool(settings.MaxPoolSize, () => _slots.Free);
        var connection = new MySqlConnectionStringBuilder(settings.MySql)
        {
            MaximumPoolSize = 2 * (uint)settings.MaxPoolSize, // the slots are the limit; the rest is for connections that hang after their slot was given away
            ConnectionTimeout = MySqlLimits.ConnectSeconds,
            DefaultCommandTimeout = MySqlLimits.StatementSeconds,
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
                await using var command = new MySqlCommand(SessionSql + MySqlLimits.SessionSql, context.Connection);
                await command.ExecuteNonQueryAsync(cancellationToken);
            }
        });
        _source = builder.Build();
        connection.MaximumPoolSize = 1;
        connection.DefaultCommandTimeout = MySqlLimits.ConnectSeconds;
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
    /// Whoever gives up waiting, by the deadline or the token, leaves work that is under way to its end.
    /// </summary>
    /// <param name="work">Gets a token that is never cancelled: the connector would kill the statement by a second connection, and block a thread until that is open.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <param name="deadline">A request's, from now, when it is not given.</param>
    /// <exception cref="DatabaseUnavailableException">No answer by the deadline, or the connection was lost again and again.</exception>
    public Task<T> Run<T>(
        Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken, Deadline? deadline = null) =>
        Run(new Unit<T>(this, work, deadline ?? MySqlLimits.Request), _retry, cancellationToken);

    /// <summary>The same for a plain read, which gets a fifth of the connections at most.</summary>
    /// <exception cref="DatabaseUnavailableException">As <see cref="Run"/>.</exception>
    public Task<T> Read<T>(Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        Run(new Unit<T>(this, work, MySqlLimits.Request, IsRead: true), _retry, cancellationToken);

    /// <summary>
    /// The same for work that must not be done twice: a deadlock undid it, so that is repeated, but a lost connection
    /// leaves its outcome unknown.
    /// </summary>
    /// <exception cref="DatabaseUnavailableException">As <see cref="Run"/>, or the connection was lost.</exception>
    public Task<T> RunOnce<T>(
        Func<MySqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken, Deadline? deadline = null) =>
        Run(new Unit<T>(this, work, deadline ?? MySqlLimits.Request), _retryDeadlocks, cancellationToken);

    private readonly record struct Unit<T>(
        MySql Self, Func<MySqlConnection, CancellationToken, Task<T>> Work, Deadline Deadline, bool IsRead = false);

    private static async Task<T> Run<T>(Unit<T> unit, ResiliencePipeline retry, CancellationToken cancellationToken)
    {
        try
        {
            return await retry.ExecuteAsync(
                static async (unit, token) => await unit.Self.Attempt(unit, token), unit, cancellationToken);
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
        return await command.ExecuteScalarAsync(CancellationToken.None).WaitAsync(cancellationToken) is { } number and not DBNull
            ? Convert.ToInt32(number, System.Globalization.CultureInfo.InvariantCulture)
            : 0;
    }

    private async Task<T> Attempt<T>(Unit<T> unit, CancellationToken cancellationToken)
    {
        await _slots.Take(unit.IsRead, unit.Deadline, _throttle, cancellationToken);
        var attempt = RunOnConnection(unit);
        try
        {
            return await unit.Deadline.Await(attempt, cancellationToken);
        }
        finally
        {
            _ = _slots.Release(attempt, unit.IsRead);
        }
    }

    private async Task<T> RunOnConnection<T>(Unit<T> unit)
    {
        await using var connection = await _source.OpenConnectionAsync();
        var leased = Environment.TickCount64;
        if (unit.Deadline.HasPassed)
        {
            throw new DatabaseUnavailableException("No connection in time.");
        }

        try
        {
            return await unit.Work(connection, CancellationToken.None);
        }
        catch (Exception exception) when (connection.State is not System.Data.ConnectionState.Open)
        {
            await ClearOldConnections(leased);
            if (exception is InvalidOperationException)
            {
                // A reader that is closed after its connection broke tells no more than that.
                throw new IOException(exception.Message, exception);
            }

            throw;
        }
        catch
        {
            await Rollback(connection);
            throw;
        }
    }

    /// <summary>
    /// A connection that broke or fell silent is seldom the only one: those that are idle leave the pool as well. Once
    /// for all that fail together, since those that are opened afterwards are good.
    /// </summary>
    private async Task ClearOldConnections(long leased)
    {
        var cleared = Interlocked.Read(ref _cleared);
        if (leased >= cleared && Interlocked.CompareExchange(ref _cleared, Environment.TickCount64, cleared) == cleared)
        {
            LogCleared();
            await using var any = _source.CreateConnection();
            await MySqlConnection.ClearPoolAsync(any);
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
        _slots.Dispose();
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "A connection to MySQL broke or gave no answer; those that are idle are closed as well")]
    private partial void LogCleared();
}
