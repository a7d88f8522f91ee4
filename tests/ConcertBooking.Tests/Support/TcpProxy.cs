using System.Collections.Concurrent;
using System.Net.Sockets;
using MySqlConnector;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// A relay on loopback that can lose what is under way. Connections end with RST, as when a machine dies or a load
/// balancer forgets them, so that neither side can mistake the cut for a proper end.
/// </summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Relay, bool> _relays = new();
    private readonly LoopbackListener _listener;
    private readonly string _host;
    private volatile int _port;
    private volatile Func<TimeSpan>? _cutAfter;
    private volatile bool _loseAnswers;
    private volatile bool _refuse;
    private volatile TaskCompletionSource _open = new();
    private int _cuts;

    /// <param name="host">The server's.</param>
    /// <param name="port">The server's.</param>
    /// <param name="listenOn">A port that clients know already, behind which the server appears only now; 0 for any that is free.</param>
    public TcpProxy(string host, int port, int listenOn = 0)
    {
        (_host, _port) = (host, port);
        _open.SetResult();
        _listener = new LoopbackListener(RelayAsync, listenOn);
    }

    /// <summary>Where clients connect to.</summary>
    public int Port => _listener.Port;

    /// <summary>Before the MySQL that a connection string names.</summary>
    public static TcpProxy OfMySql(string connectionString)
    {
        var server = new MySqlConnectionStringBuilder(connectionString);
        return new(server.Server, (int)server.Port);
    }

    /// <summary>How many connections there are.</summary>
    public int Connections => _relays.Count;

    /// <summary>How many connections there are that <see cref="Silence"/> fell upon.</summary>
    public int SilentConnections => _relays.Keys.Count(static relay => relay.IsSilent);

    /// <summary>How many connections were cut so far.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

    /// <summary>The server does its work, but its answer is never delivered: the connection is cut in its place.</summary>
    public bool LoseAnswers { set => _loseAnswers = value; }

    /// <summary>When set: each connection is cut that long after bytes were passed on to the server.</summary>
    public Func<TimeSpan>? CutAfter { set => _cutAfter = value; }

    /// <summary>New connections are cut at once.</summary>
    public bool Refuse { set => _refuse = value; }

    /// <summary>Where new connections lead from now on, as when a service's address moves; those that exist stay where they are.</summary>
    public int ServerPort { set => _port = value; }

    /// <summary>From now on nothing gets through, in either direction, until <see cref="Release"/>; nothing is lost either.</summary>
    public void Hold() => _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What was kept back is delivered.</summary>
    public void Release() => _open.TrySetResult();

    /// <summary>Cuts every connection there is.</summary>
    public void Cut()
    {
        foreach (var relay in _relays.Keys)
        {
            relay.Cut();
        }
    }

    /// <summary>Every connection there is loses all it is given from now on, in both directions, and stays open; new ones work.</summary>
    public void Silence()
    {
        foreach (var relay in _relays.Keys)
        {
            relay.Silence();
        }
    }

    /// <summary>The database's connection string with the proxy in the server's place.</summary>
    public string InPlaceOf(Database database) =>
        new MySqlConnectionStringBuilder(database.ConnectionString) { Server = "127.0.0.1", Port = (uint)Port }.ConnectionString;

    public async ValueTask DisposeAsync()
    {
        Release();
        await _listener.DisposeAsync();
    }

    private async Task RelayAsync(Socket client, CancellationToken stop)
    {
        var relay = new Relay(this, client);
        _relays[relay] = true;
        await using var registration = stop.UnsafeRegister(static relay => ((Relay)relay!).Cut(), relay);
        await relay.RunAsync();
    }

    private sealed class Relay(TcpProxy proxy, Socket client) : IDisposable
    {
        private readonly Socket _server = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        private volatile bool _silent;
        private int _ended;

        public bool IsSilent => _silent;

        public void Silence() => _silent = true;

        public async Task RunAsync()
        {
            try
            {
                if (proxy._refuse)
                {
                    return;
                }

                client.NoDelay = true;
                await _server.ConnectAsync(proxy._host, proxy._port);
                await Task.WhenAll(PumpAsync(client, _server, toServer: true), PumpAsync(_server, client, toServer: false));
                End(reset: false);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // The server cannot be reached: the client learns it below.
            }
            finally
            {
                Dispose();
                proxy._relays.TryRemove(this, out _);
            }
        }

        public void Dispose() => End(reset: true);

        public void Cut()
        {
            if (End(reset: true))
            {
                Interlocked.Increment(ref proxy._cuts);
            }
        }

        private async Task PumpAsync(Socket from, Socket to, bool toServer)
        {
            var buffer = new byte[16 * 1024];
            try
            {
                int length;
                while ((length = await from.ReceiveAsync(buffer)) > 0)
                {
                    await proxy._open.Task;
                    if (_silent)
                    {
                        continue;
                    }

                    if (!toServer && proxy._loseAnswers)
                    {
                        Cut();
                        return;
                    }
                    for (var rest = buffer.AsMemory(0, length); rest.Length > 0;)
                    {
                        rest = rest[await to.SendAsync(rest)..];
                    }

                    if (toServer && proxy._cutAfter is { } after)
                    {
                        _ = CutLaterAsync(after());
                    }
                }
                to.Shutdown(SocketShutdown.Send);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // One side is gone; the other learns it the same way.
                End(reset: true);
            }
        }

        private async Task CutLaterAsync(TimeSpan delay)
        {
            await Task.Delay(delay);
            Cut();
        }

        /// <returns>Whether it was this call that ended the connection.</returns>
        private bool End(bool reset)
        {
            if (Interlocked.Exchange(ref _ended, 1) != 0)
            {
                return false;
            }

            Close(client, reset);
            Close(_server, reset);
            return true;
        }

        private static void Close(Socket socket, bool reset)
        {
            try
            {
                if (reset)
                {
                    socket.LingerState = new LingerOption(true, 0);
                }
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // Already gone.
            }
            socket.Dispose();
        }
    }
}
