using System.Net.Sockets;

namespace ConcertBooking.Servers;

/// <summary>
/// librdkafka's mock cluster inside this process. Stopping or killing it closes its connections and refuses new ones; port and
/// messages are kept, as with a broker that is restarted.
/// </summary>
internal sealed partial class MockKafka : Server
{
    private const int Broker = 1;

    private readonly nint _client = Librdkafka.NewClient();
    private readonly nint _cluster;
    private bool _disposed;

    public MockKafka()
    {
        _cluster = Librdkafka.NewCluster(_client, brokers: 1);
        Librdkafka.SetController(_cluster, Broker); // otherwise it has none, and clients that create a topic wait for one
        ConnectionString = Librdkafka.BootstrapServers(_cluster);
    }

    public override string ConnectionString { get; }

    public override string Description =>
        $"librdkafka's mock cluster in this process, {ConnectionString}: real protocol, messages in memory only";

    public override Task StartAsync(CancellationToken cancellationToken = default)
    {
        ThrowOnError(Librdkafka.SetUp(_cluster, Broker));
        return Task.CompletedTask;
    }

    public override Task StopAsync(CancellationToken cancellationToken = default) => KillAsync(cancellationToken);

    public override Task KillAsync(CancellationToken cancellationToken = default)
    {
        ThrowOnError(Librdkafka.SetDown(_cluster, Broker));
        return Task.CompletedTask;
    }

    public override Task PauseAsync(CancellationToken cancellationToken = default) =>
        Task.FromException(new NotSupportedException("A mock cluster inside this process cannot be paused without this process."));

    public override Task ResumeAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

    public override ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            Librdkafka.DestroyCluster(_cluster);
            Librdkafka.DestroyClient(_client);
        }
        return ValueTask.CompletedTask;
    }

    private static void ThrowOnError(int error)
    {
        if (error != 0)
        {
            throw new SocketException(error, "librdkafka refuses to change its mock broker.");
        }
    }
}
