using System.Net.Sockets;
using System.Security.Authentication;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>Stands before a mock cluster, which sends its clients here, so that each of their connections comes this way.</summary>
internal abstract class BrokerProxy : IAsyncDisposable
{
    private readonly Uri _broker;
    private readonly LoopbackListener _listener;

    /// <param name="kafka">In this process.</param>
    /// <param name="host">The name of loopback that clients are sent to.</param>
    protected BrokerProxy(MockKafka kafka, string host = "127.0.0.1")
    {
        _broker = new Uri($"tcp://{kafka.ConnectionString}");
        _listener = new LoopbackListener(ServeAsync);
        ConnectionString = $"{host}:{_listener.Port}";
        kafka.Advertise(host, _listener.Port);
    }

    public string ConnectionString { get; }

    public async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Passes on what goes over one connection, until either side leaves.</summary>
    protected abstract Task ServeAsync(Stream client, Stream broker, CancellationToken stop);

    private async Task ServeAsync(Socket connection, CancellationToken stop)
    {
        await using var client = new NetworkStream(connection, ownsSocket: true);
        using var broker = new TcpClient();
        try
        {
            await broker.ConnectAsync(_broker.Host, _broker.Port, stop);
            await ServeAsync(client, broker.GetStream(), stop);
        }
        catch (Exception exception) when (exception is IOException or SocketException or AuthenticationException
            or OperationCanceledException or ObjectDisposedException)
        {
            // Either side left, or the client is not let in.
        }
    }
}
