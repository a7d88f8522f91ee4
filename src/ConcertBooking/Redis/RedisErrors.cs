using StackExchange.Redis;

namespace ConcertBooking.Redis;

/// <summary>Classifies exceptions of the Redis client.</summary>
internal static class RedisErrors
{
    /// <summary>Error codes of a server that is not the primary, or has lost touch with its replicas and may soon not be.</summary>
    private static readonly string[] NotPrimary = ["READONLY", "MASTERDOWN", "NOREPLICAS"];

    /// <summary>Error codes of a server that is temporarily unavailable: full disk or memory, start, failover, long script.</summary>
    private static readonly string[] Transient = ["MISCONF", "OOM", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "BUSY"];

    /// <summary>Whether another server may be at the address by now.</summary>
    public static bool IsNotPrimary(Exception exception) => Code(exception) is { } code && NotPrimary.Contains(code);

    /// <summary>Whether any call would fail so; an error of the script itself (ERR) is a bug.</summary>
    public static bool IsOutage(Exception? exception) => exception switch
    {
        TimeoutException or RedisConnectionException or ObjectDisposedException => true,
        RedisServerException => Code(exception) is not "ERR",
        _ => false,
    };

    /// <summary>The error code that the reply of Redis begins with; null when there was no reply.</summary>
    public static string? Code(Exception exception)
    {
        if (exception is not RedisServerException { Message: var message })
        {
            return null;
        }

        // Redis 6 wraps an error within a script: ERR Error running script (…): @user_script:12: -READONLY You can't write …
        var first = message.Split(' ', 2)[0];
        var wrapped = first is "ERR"
            ? NotPrimary.Concat(Transient).FirstOrDefault(code => message.Contains($"-{code} ", StringComparison.Ordinal))
            : null;
        return wrapped ?? first;
    }
}
