using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>Plain reads by key of many requests: those that arrive at the same time share a statement and one connection.</summary>
/// <param name="select">Returns the values in the order of the keys.</param>
/// <param name="canWait">Whether each batch waits a little for more reads, so that MySQL gets fewer statements.</param>
internal sealed class BatchedReads<TKey, TValue>(
    MySqlDatabase database, Func<MySqlConnection, IReadOnlyList<TKey>, CancellationToken, Task<IReadOnlyList<TValue>>> select,
    bool canWait = false)
{
    /// <summary>With a hundred, a statement takes MySQL less than a millisecond.</summary>
    private const int MaximumBatch = 100;

    private readonly RequestBatcher<TKey, TValue> _reads = new(
        keys => database.ReadAsync((connection, cancellationToken) => select(connection, keys, cancellationToken), CancellationToken.None),
        MaximumBatch, canWait ? TimeSpan.FromMilliseconds(10) : TimeSpan.Zero);

    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time, or the statement before did not end.</exception>
    public Task<TValue> FindAsync(TKey key) => MySqlLimits.Request.AwaitAsync(_reads.EnqueueAsync(key));
}
