using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// A pool whose connections can be dropped. The connector clears the pools of connection strings, but not that of a
/// data source, so the data source is replaced: idle connections close at once, those in use when they come back.
/// </summary>
internal sealed class MySqlPool(Func<MySqlDataSource> make) : IAsyncDisposable
{
    private MySqlDataSource _source = make();

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

    public ValueTask ClearAsync() => Interlocked.Exchange(ref _source, make()).DisposeAsync();

    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
