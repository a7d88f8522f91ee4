using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>A running service: its process and its two addresses.</summary>
public class Instance(ServiceProcess process) : IAsyncDisposable
{
    public ServiceProcess Process { get; } = process;

    public Api Api { get; } = new(process.Address);

    public Api Management { get; } = new(process.ManagementAddress);

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return Process.DisposeAsync();
    }
}

/// <summary>One that has a database for itself.</summary>
public sealed class LoneInstance(ServiceProcess process, Database database, Catalogue catalogue) : Instance(process)
{
    public Database Database { get; } = database;

    public Catalogue Catalogue { get; } = catalogue;
}
