using StackExchange.Redis;

namespace ConcertBooking.Redis;

/// <summary>What an exception of the client says of the server.</summary>
internal static class RedisErrors
{
    /// <summary>Answers of a server that is not the primary, or has lost touch with its replicas and may soon not be.</summary>
    private static readonly string[] NotPrimary = ["READONLY", "MASTERDOWN", "NOREPLICAS"];

    /// <summary>Answers of a server that will serve again: a full disk or memory, a start, a failover, a long script.</summary>
    private static readonly string[] NotNow = ["MISCONF", "OOM", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "BUSY"];

    /// <summary>Whether another server may be at the address by now.</summary>
    public static bool IsNotPrimary(Exception exception) => Code(exception) is { } code && NotPrimary.Contains(code);

    /// <summary>No answer, or one that any call would get; what a script itself does wrong is a bug.</summary>
    public static bool IsOutage(Exception? exception) => exception switch
    {
        TimeoutException or RedisConnectionException or ObjectDisposedException => true,
        RedisServerException => Code(exception) is not "ERR",
        _ => false,
    };

    /// <summary>The word that Redis begins its refusal with; null when it did not answer.</summary>
    public static string? Code(Exception exception)
    {
        if (exception is not RedisServerException { Message: var message })
        {
            return null;
        }

        // Redis 6 wraps what a script met: ERR Error running script (…): @user_script:12: -READONLY You can't write …
        var first = message.Split(' ', 2)[0];
        var wrapped = first is "ERR"
            ? NotPrimary.Concat(NotNow).FirstOrDefault(code => message.Contains($"-{code} ", StringComparison.Ordinal))
            : null;
        return wrapped ?? first;
    }
}
