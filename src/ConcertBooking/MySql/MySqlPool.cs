using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// A connection pool that can be cleared. The connector clears the pools of connection strings, but not that of a
/// data source, so the data source is replaced: idle connections close at once, those in use when they are returned.
/// </summary>
internal sealed class MySqlPool(Func<MySqlDataSource> create) : IAsyncDisposable
{
    private MySqlDataSource _source = create();

    public async ValueTask<MySqlConnection> OpenConnectionAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var source = Volatile.Read(ref _source);
            try
            {
                return await source.OpenConnectionAsync(cancellationToken);
            }
            catch (ObjectDisposedException) when (source != Volatile.Read(ref _source))
            {
                // Replaced in between.
            }
        }
    }

    public ValueTask ClearAsync() => Interlocked.Exchange(ref _source, create()).DisposeAsync();

    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
