using System.Globalization;

namespace ConcertBooking.Hosting;

/// <summary>
/// The limit of open files (<c>ulimit -n</c>), which a connection counts against. Where it is reached, the runtime
/// ends the process ("Out of memory"), so fewer connections are taken than it would allow.
/// </summary>
internal static partial class OpenFiles
{
    /// <summary>What the process has open besides clients and MySQL: libraries, Redis, Kafka, timers; 243 were counted.</summary>
    private const int Others = 400;

    /// <summary>How many connections are taken: <c>Limits__MaxConnections</c>, or what the limit of open files leaves.</summary>
    public static int Connections(Settings settings) =>
        (int)Math.Clamp((Limit() ?? long.MaxValue) - settings.MaxPoolSize - Others, 1, settings.Security.MaxConnections);

    /// <summary>Logs the difference, once at start.</summary>
    public static void WarnOfFewer(Settings settings, ILogger logger)
    {
        if (Connections(settings) is var possible && possible < settings.Security.MaxConnections)
        {
            LogFewer(logger, settings.Security.MaxConnections, Limit(), possible);
        }
    }

    /// <summary>Null: there is none, or the system does not say.</summary>
    private static long? Limit()
    {
        const string Limits = "/proc/self/limits";

        // "Max open files            1024                 524288               files": soft, then hard.
        return File.Exists(Limits)
            && File.ReadLines(Limits).FirstOrDefault(static line => line.StartsWith("Max open files", StringComparison.Ordinal)) is { } line
            && long.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], NumberStyles.None, CultureInfo.InvariantCulture, out var limit)
                ? limit : null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Limits__MaxConnections is {Configured}, but the limit of open files (ulimit -n) is {Limit}: {Possible} connections are taken")]
    private static partial void LogFewer(ILogger logger, int configured, long? limit, int possible);
}
