using System.Net.Sockets;
using System.Text;

namespace ConcertBooking.Tests.Support;

/// <summary>Bytes on a socket: what no client library would send.</summary>
internal static class RawRequest
{
    /// <summary>Sends the text, one byte a character, and reads until the service closes; fails when the time is over.</summary>
    public static async Task<string> SendAsync(Api api, string request, TimeSpan? within = null)
    {
        using var patience = new CancellationTokenSource(within ?? Eventually.Patience);
        using var client = new TcpClient();
        var answer = new MemoryStream();
        try
        {
            await client.ConnectAsync(api.Address.Host, api.Address.Port, patience.Token);
            var stream = client.GetStream();
            // Reads at the same time: the service takes no more of many requests than it can answer.
            await Task.WhenAll(
                stream.CopyToAsync(answer, patience.Token), stream.WriteAsync(Encoding.Latin1.GetBytes(request), patience.Token).AsTask());
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            // Closed before everything was sent or read, perhaps as soon as it was open; what came counts.
        }
        return Encoding.Latin1.GetString(answer.ToArray());
    }

    public static int Status(string answer) =>
        answer.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) ? int.Parse(
            answer[9..12], System.Globalization.CultureInfo.InvariantCulture) : 0;
}
