using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// A transaction of several statements, each with a limit of time, BEGIN too: the connector's own waits without one, and a connection
/// to a server that has fallen silent would hang for ever. Rolled back unless it is committed.
/// </summary>
internal sealed class TimedTransaction : IAsyncDisposable
{
    private readonly MySqlConnection _connection;
    private bool _isCommitted;

    private TimedTransaction(MySqlConnection connection) => _connection = connection;

    public static async Task<TimedTransaction> BeginAsync(MySqlConnection connection)
    {
        await ExecuteAsync(connection, "START TRANSACTION");
        return new(connection);
    }

    /// <summary>Once, at the end.</summary>
    public async Task CommitAsync()
    {
        await ExecuteAsync(_connection, "COMMIT");
        _isCommitted = true;
    }

    /// <summary>Where a connection is gone, so is its transaction.</summary>
    public static async Task RollbackAsync(MySqlConnection connection)
    {
        try
        {
            if (connection.State == System.Data.ConnectionState.Open)
            {
                await ExecuteAsync(connection, "ROLLBACK");
            }
        }
        catch (Exception exception) when (exception is MySqlException || MySqlErrors.FaultOf(exception) is not MySqlFault.None)
        {
            // The connection broke just now.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_isCommitted)
        {
            await RollbackAsync(_connection);
        }
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection) { CommandTimeout = MySqlLimits.StatementSeconds };
        await command.ExecuteNonQueryAsync();
    }
}
