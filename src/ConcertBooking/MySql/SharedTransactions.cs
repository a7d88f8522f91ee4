namespace ConcertBooking.MySql;

/// <summary>
/// Runs the shared transactions of all calls (<see cref="TransactionBatcher{TRequest, TOutcome}"/>), and counts and logs what became
/// of them.
/// </summary>
internal sealed partial class SharedTransactions(
    MySqlDatabase database, Metrics metrics, TimeProvider time, ILogger<SharedTransactions> logger)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LogThrottle> _throttles = [];

    /// <inheritdoc cref="MySqlDatabase.TryAsync"/>
    public Task<T> TryAsync<T>(Func<MySqlConnector.MySqlConnection, CancellationToken, Task<T>> work) => database.TryAsync(work);

    /// <param name="how"><c>alone</c>, <c>shared</c> or <c>repeated</c>.</param>
    public void Count(string call, string how, int requests) => metrics.Transaction(call, how, requests);

    /// <summary>A transaction was undone, or its outcome is unknown: each of its members is repeated alone.</summary>
    public void Failed(string call, int members, Exception exception)
    {
        lock (_lock)
        {
            if (!_throttles.TryGetValue(call, out var throttle))
            {
                _throttles[call] = throttle = new LogThrottle(time);
            }

            if (!throttle.IsDue())
            {
                return;
            }
        }

        LogFailed(exception, call, members);
    }

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "A shared transaction failed ({Call}, {Members} members); each member is repeated alone")]
    private partial void LogFailed(Exception exception, string call, int members);
}
