using System.Collections.Concurrent;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>A running service: its process and its two addresses.</summary>
public class Instance(ServiceProcess process) : IAsyncDisposable
{
    private const int LastLines = 10;

    private static readonly ConcurrentDictionary<string, ServiceProcess> ByAddress = new();

    public ServiceProcess Process { get; } = ByAddress[process.Address.Authority] = process;

    public Api Api { get; } = new(process.Address);

    public Api Management { get; } = new(process.ManagementAddress);

    /// <summary>What the instance at that address logged of a request, else its last lines; nothing for other addresses.</summary>
    /// <param name="address">Of its API.</param>
    /// <param name="traceId">The request's; empty where it is not known.</param>
    public static IReadOnlyList<string> LogOf(Uri address, string traceId)
    {
        if (!ByAddress.TryGetValue(address.Authority, out var process))
        {
            return [];
        }

        List<string> lines = [];
        if (traceId.Length > 0)
        {
            // The line may arrive after the answer. In Development lines have no trace id.
            SpinWait.SpinUntil(
                () => (lines = [.. process.Output.Where(line => line.Contains(traceId, StringComparison.Ordinal))]).Count > 0,
                TimeSpan.FromSeconds(1));
        }

        return lines.Count > 0 ? lines : [.. process.Output.TakeLast(LastLines)];
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        ByAddress.TryRemove(KeyValuePair.Create(Process.Address.Authority, Process));
        return Process.DisposeAsync();
    }
}

/// <summary>One that has a database for itself.</summary>
public sealed class LoneInstance(ServiceProcess process, Database database, Catalogue catalogue) : Instance(process)
{
    public Database Database { get; } = database;

    public Catalogue Catalogue { get; } = catalogue;
}
