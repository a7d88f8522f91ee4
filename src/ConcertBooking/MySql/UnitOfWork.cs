using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// Work on one connection, without the type of its result: the native compiler makes each generic method again for every type of
/// a value, and Polly's with it: 1.1 MB of the program.
/// </summary>
internal abstract class UnitOfWork(Deadline deadline, bool isRead, bool isOnce)
{
    public Deadline Deadline => deadline;

    public bool IsRead => isRead;

    /// <summary>
    /// Asks the server for an answer before long work and before work that must not be done twice: a connection from the pool says
    /// nothing of it, and a session that has ended is noticed before there is anything that it could have done.
    /// </summary>
    /// <exception cref="SessionEndedException">The session had ended.</exception>
    public async ValueTask StartAsync(MySqlConnection connection)
    {
        if (!isOnce && !deadline.IsForLongWork)
        {
            return;
        }

        try
        {
            await using var command = new MySqlCommand("DO 0", connection) { CommandTimeout = MySqlLimits.ConnectSeconds };
            await command.ExecuteNonQueryAsync();
        }
        catch (Exception exception) when (MySqlErrors.FaultOf(exception) is MySqlFault.ConnectionLost)
        {
            throw new SessionEndedException(exception);
        }

        if (deadline.HasPassed)
        {
            throw new DatabaseUnavailableException("No answer in time.");
        }

        if (deadline.IsForLongWork)
        {
            deadline.StartWork();
        }
    }

    public abstract Task RunAsync(MySqlConnection connection);
}

/// <inheritdoc/>
internal sealed class UnitOfWork<T>(
    Func<MySqlConnection, CancellationToken, Task<T>> work, Deadline deadline, bool isRead = false, bool isOnce = false)
    : UnitOfWork(deadline, isRead, isOnce)
{
    /// <summary>Of the last attempt, once it has succeeded.</summary>
    public T? Result { get; private set; }

    public override async Task RunAsync(MySqlConnection connection) => Result = await work(connection, CancellationToken.None);
}
