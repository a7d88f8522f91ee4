using System.Globalization;

namespace ConcertBooking.Hosting;

/// <summary>
/// The limit of open files (<c>ulimit -n</c>), which connections count against. When it is reached, the runtime ends the process
/// ("Out of memory"), so the server accepts fewer connections than the limit would allow.
/// </summary>
internal static partial class OpenFiles
{
    /// <summary>Files open besides clients and MySQL: libraries, Redis, Kafka, timers; 243 were measured.</summary>
    private const int ReservedFiles = 400;

    /// <summary>How many connections are accepted: <c>Limits__MaxConnections</c>, or what the limit of open files leaves.</summary>
    public static int MaxConnections(Settings settings) =>
        (int)Math.Clamp((Limit() ?? long.MaxValue) - settings.MaxPoolSize - ReservedFiles, 1, settings.Security.MaxConnections);

    /// <summary>Logs at start when fewer connections are accepted than configured.</summary>
    public static void WarnIfReduced(Settings settings, ILogger logger)
    {
        if (MaxConnections(settings) is var possible && possible < settings.Security.MaxConnections)
        {
            LogReduced(logger, settings.Security.MaxConnections, Limit(), possible);
        }
    }

    /// <returns>Null when there is no limit, or the system does not report one.</returns>
    private static long? Limit()
    {
        const string Limits = "/proc/self/limits", Name = "Max open files";
        if (!File.Exists(Limits)
            || File.ReadLines(Limits).FirstOrDefault(static line => line.StartsWith(Name, StringComparison.Ordinal)) is not { } line)
        {
            return null;
        }

        // "Max open files            1024                 524288               files": soft, then hard.
        var soft = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3];
        return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Limits__MaxConnections is {Configured}, but the limit of open files (ulimit -n) is {Limit}: {Possible} connections are accepted")]
    private static partial void LogReduced(ILogger logger, int configured, long? limit, int possible);
}
