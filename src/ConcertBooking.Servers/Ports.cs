using System.Net.NetworkInformation;

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

    /// <summary>Whether no server listens on this port now, on any address of this machine.</summary>
    // Without a bind: a child process that is forked meanwhile inherits the probing socket until its exec, and the port stays in use.
    public static bool IsFree(int port) =>
        Array.TrueForAll(IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners(), listener => listener.Port != port);
}
