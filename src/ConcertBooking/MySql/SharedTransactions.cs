using System.Collections.Concurrent;
using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// Runs the shared transactions of all calls (<see cref="TransactionBatcher{TRequest, TOutcome}"/>), and counts and logs what became
/// of them.
/// </summary>
internal sealed partial class SharedTransactions(
    MySqlDatabase database, Metrics metrics, TimeProvider time, ILogger<SharedTransactions> logger)
{
    private readonly ConcurrentDictionary<string, LogThrottle> _throttles = new(StringComparer.Ordinal);

    /// <inheritdoc cref="MySqlDatabase.TryAsync"/>
    public Task<T> TryAsync<T>(Func<MySqlConnection, CancellationToken, Task<T>> work) => database.TryAsync(work);

    /// <param name="how"><c>alone</c>, <c>shared</c> or <c>repeated</c>.</param>
    public void Count(string call, string how, int requests) => metrics.Transaction(call, how, requests);

    /// <summary>A transaction was undone, or its outcome is unknown: each of its members is repeated alone.</summary>
    public void Failed(string call, int members, Exception exception)
    {
        if (_throttles.GetOrAdd(call, static (_, clock) => new LogThrottle(clock), time).IsDue())
        {
            LogFailed(exception, call, members);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "A shared transaction failed ({Call}, {Members} members); each member is repeated alone")]
    private partial void LogFailed(Exception exception, string call, int members);
}
