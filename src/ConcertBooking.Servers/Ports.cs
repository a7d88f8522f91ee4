using System.Diagnostics;
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

    /// <summary>The kernel walks its table of all connections for the list of listeners, which takes up to a tenth of a second.</summary>
    private static readonly TimeSpan ListLifetime = TimeSpan.FromSeconds(5);

    private static HashSet<int> _listening = [];
    private static long _listedAt;

    /// <summary>A port without a listener. It is returned only once per process.</summary>
    public static int Take()
    {
        lock (Gate)
        {
            if (_listedAt == 0 || Stopwatch.GetElapsedTime(_listedAt) > ListLifetime)
            {
                (_listening, _listedAt) = (Listening(), Stopwatch.GetTimestamp());
            }

            for (var attempt = 0; attempt < 10_000; attempt++)
            {
                var port = Random.Shared.Next(First, Last);
                if (!_listening.Contains(port) && Given.Add(port))
                {
                    return port;
                }
            }
        }
        throw new InvalidOperationException($"No free port between {First} and {Last}.");
    }

    /// <summary>Whether no server listens on this port now, on any address of this machine.</summary>
    public static bool IsFree(int port) => !Listening().Contains(port);

    // Without a bind: a child process that is forked meanwhile inherits the probing socket until its exec, and the port stays in use.
    private static HashSet<int> Listening() =>
        [.. IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Select(static listener => listener.Port)];
}
