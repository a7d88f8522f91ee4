using ConcertBooking.DevHost;

namespace ConcertBooking.Tests.Support;

/// <summary>A running service: its process and its two addresses.</summary>
public sealed class Instance(ServiceProcess process) : IAsyncDisposable
{
    public ServiceProcess Process { get; } = process;

    public Api Api { get; } = new(process.Address);

    public Api Management { get; } = new(process.ManagementAddress);

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
