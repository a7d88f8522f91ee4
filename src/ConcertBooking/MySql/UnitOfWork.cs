using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// Work on one connection, without the type of its result: the native compiler makes each generic method again for every type of
/// a value, and Polly's with it: 1.1 MB of the program.
/// </summary>
internal abstract class UnitOfWork(Deadline deadline, bool isRead)
{
    public Deadline Deadline => deadline;

    public bool IsRead => isRead;

    /// <summary>
    /// Asks the server for an answer before long work: a connection from the pool says nothing of it, and BEGIN waits without a
    /// limit.
    /// </summary>
    public async ValueTask StartAsync(MySqlConnection connection)
    {
        if (!deadline.IsForLongWork)
        {
            return;
        }

        await using var command = new MySqlCommand("DO 0", connection) { CommandTimeout = MySqlLimits.ConnectSeconds };
        await command.ExecuteNonQueryAsync();
        if (deadline.HasPassed)
        {
            throw new DatabaseUnavailableException("No answer in time.");
        }

        deadline.StartWork();
    }

    public abstract Task RunAsync(MySqlConnection connection);
}

/// <inheritdoc/>
internal sealed class UnitOfWork<T>(Func<MySqlConnection, CancellationToken, Task<T>> work, Deadline deadline, bool isRead)
    : UnitOfWork(deadline, isRead)
{
    /// <summary>Of the last attempt, once it has succeeded.</summary>
    public T? Result { get; private set; }

    public override async Task RunAsync(MySqlConnection connection) => Result = await work(connection, CancellationToken.None);
}
