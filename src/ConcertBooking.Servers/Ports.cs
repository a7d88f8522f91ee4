using System.Net;
using System.Net.Sockets;

namespace ConcertBooking.Servers;

/// <summary>Free ports on loopback.</summary>
internal static class Ports
{
    // Below the ephemeral range: a client that connects to a server which is down could otherwise get the server's own port as
    // its local port, and keep the server from starting again.
    private const int First = 20_000, Last = 32_000;

    private static readonly Lock Gate = new();
    private static readonly HashSet<int> Given = [];

    /// <summary>A port without a listener. It is returned only once per process.</summary>
    public static int Take()
    {
        lock (Gate)
        {
            for (var attempt = 0; attempt < 10_000; attempt++)
            {
                var port = Random.Shared.Next(First, Last);
                if (!Given.Contains(port) && IsFree(port))
                {
                    Given.Add(port);
                    return port;
                }
            }
        }
        throw new InvalidOperationException($"No free port between {First} and {Last}.");
    }

    /// <summary>Whether a server could listen on this port of loopback now.</summary>
    public static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
