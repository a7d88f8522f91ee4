using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>Stands before a mock cluster, which sends its clients here, so that each of their connections comes this way.</summary>
internal abstract class BrokerProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Uri _broker;
    private readonly Task _accepting;

    /// <param name="kafka">In this process.</param>
    /// <param name="host">The name of loopback that clients are sent to.</param>
    protected BrokerProxy(MockKafka kafka, string host = "127.0.0.1")
    {
        _broker = new Uri($"tcp://{kafka.ConnectionString}");
        _listener.Start();
        var port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        ConnectionString = $"{host}:{port}";
        kafka.Advertise(host, port);
        _accepting = AcceptAsync();
    }

    public string ConnectionString { get; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Passes on what goes over one connection, until either side leaves.</summary>
    protected abstract Task ServeAsync(Stream client, Stream broker, CancellationToken stop);

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(TcpClient connection)
    {
        using (connection)
        using (var broker = new TcpClient())
        {
            try
            {
                await broker.ConnectAsync(_broker.Host, _broker.Port, _stop.Token);
                await ServeAsync(connection.GetStream(), broker.GetStream(), _stop.Token);
            }
            catch (Exception exception) when (exception is IOException or SocketException or AuthenticationException or OperationCanceledException or ObjectDisposedException)
            {
                // Either side left, or the client is not let in.
            }
        }
    }
}
