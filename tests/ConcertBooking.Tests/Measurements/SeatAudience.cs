using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Measurements;

/// <summary>Thousands of pages that watch one schedule, each with a connection and a picture of its own.</summary>
internal sealed class SeatAudience(Uri service, string path) : IDisposable
{
    private readonly ConcurrentDictionary<string, Event> _events = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<(Event Event, DateTimeOffset At)> _arrivals = new();
    private readonly List<Page> _pages = [];

    /// <summary>An event that some pages got.</summary>
    private sealed record Event(string? Letters, IReadOnlyList<(int SeatNo, char Letter)> Seats);

    private sealed record Page(Socket Socket)
    {
        public volatile char[]? Letters;
    }

    /// <summary>Different events that came.</summary>
    public int Events => _events.Count;

    /// <summary>Opens that many streams and waits until each has its snapshot.</summary>
    public async Task JoinAsync(int count)
    {
        var request = Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        for (var number = 0; number < count; number++)
        {
            var page = new Page(new Socket(SocketType.Stream, ProtocolType.Tcp));
            await page.Socket.ConnectAsync(service.Host, service.Port);
            await page.Socket.SendAsync(request);
            _pages.Add(page);
            _ = ReadAsync(page);
        }

        await Eventually.TrueAsync(() => _pages.TrueForAll(static page => page.Letters is not null));
    }

    public bool AllShow(string letters) => _pages.TrueForAll(page => page.Letters.AsSpan().SequenceEqual(letters));

    /// <summary>For each page and each of those changes: from that moment until the page got it.</summary>
    public IReadOnlyList<TimeSpan> Lags(IReadOnlyDictionary<(int SeatNo, char Letter), DateTimeOffset> since) =>
        [.. _arrivals.SelectMany(arrival => arrival.Event.Seats.Where(since.ContainsKey).Select(seat => arrival.At - since[seat]))];

    public void Dispose() => _pages.ForEach(static page => page.Socket.Dispose());

    private async Task ReadAsync(Page page)
    {
        var (buffer, filled) = (new byte[4 * 1024], 0);
        try
        {
            int read;
            while ((read = await page.Socket.ReceiveAsync(buffer.AsMemory(filled))) > 0)
            {
                filled += read;
                var at = TimeProvider.System.GetUtcNow();
                int end;
                while ((end = buffer.AsSpan(0, filled).IndexOf("\n\n"u8)) >= 0)
                {
                    // Before the event's own lines come those of the head or of the chunk.
                    if (buffer.AsSpan(0, end).IndexOf("id: "u8) is >= 0 and var start)
                    {
                        Take(page, Encoding.ASCII.GetString(buffer, start, end - start), at);
                    }

                    filled -= end + 2;
                    buffer.AsSpan(end + 2, filled).CopyTo(buffer);
                }
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The measurement is over.
        }
    }

    private void Take(Page page, string text, DateTimeOffset at)
    {
        var some = _events.GetOrAdd(text, Parse);
        if (some.Letters is { } letters)
        {
            page.Letters = letters.ToCharArray();
            return;
        }

        foreach (var (seatNo, letter) in some.Seats)
        {
            page.Letters![seatNo - 1] = letter;
        }

        _arrivals.Enqueue((some, at));
    }

    private static Event Parse(string text)
    {
        var data = JsonElement.Parse(text[(text.IndexOf("data: ", StringComparison.Ordinal) + 6)..]);
        return data.TryGetProperty("states", out var letters)
            ? new(letters.GetString(), [])
            : new(null, [.. data.GetProperty("seats").EnumerateArray().Select(
                static seat => (seat[0].GetInt32(), seat[1].GetString()![0]))]);
    }
}
