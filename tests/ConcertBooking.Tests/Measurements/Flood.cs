using System.Net.Sockets;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Measurements;

/// <summary>
/// Clients that ask again as soon as they are answered, each on a connection of its own, all on one thread that has
/// the last turn at the processors: who floods has some of his own, and takes none from the service or its servers.
/// </summary>
internal sealed class Flood : IDisposable
{
    private readonly Dictionary<Socket, Func<byte[]>> _clients;
    private readonly Thread _thread;
    private long _answers;
    private volatile bool _over;

    private Flood(Dictionary<Socket, Func<byte[]>> clients) => (_clients, _thread) = (clients, new Thread(Ask));

    public long Answers => Interlocked.Read(ref _answers);

    /// <param name="service">Who is asked.</param>
    /// <param name="requests">What each client sends, made anew each time.</param>
    public static Flood Start(Uri service, IEnumerable<Func<byte[]>> requests)
    {
        var flood = new Flood(requests.ToDictionary(_ =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(service.Host, service.Port);
            return socket;
        }));
        flood._thread.Start();
        return flood;
    }

    public void Dispose()
    {
        _over = true;
        _thread.Join();
        foreach (var client in _clients.Keys)
        {
            client.Dispose();
        }
    }

    private void Ask()
    {
        Scheduling.TakeTheLastTurn();
        var answer = new byte[64 * 1024];
        foreach (var (client, request) in _clients)
        {
            client.Send(request());
        }

        while (!_over)
        {
            var answered = _clients.Keys.ToList();
            Socket.Select(answered, null, null, TimeSpan.FromMilliseconds(100));
            foreach (var client in answered)
            {
                if (client.Receive(answer) == 0) // answers are small and come in one piece
                {
                    throw new InvalidOperationException("The service has closed a connection of the flood.");
                }

                _answers++;
                client.Send(_clients[client]());
            }
        }
    }
}
