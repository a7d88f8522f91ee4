using System.Text.Json;
using System.Threading.Channels;

namespace ConcertBooking.Tests.Support;

/// <summary>One event of a stream, and when it came.</summary>
/// <param name="Id">Empty when it has none.</param>
/// <param name="Text">All of its lines.</param>
public sealed record StreamEvent(string Name, JsonElement Data, DateTimeOffset At, string Id, string Text);

/// <summary>An open stream of server-sent events, read in the background.</summary>
public sealed class ServerEvents : IAsyncDisposable
{
    private static readonly HttpClient Http = new(
        new SocketsHttpHandler { UseProxy = false, ActivityHeadersPropagator = null })
    { Timeout = Timeout.InfiniteTimeSpan };

    private readonly Channel<StreamEvent> _events = Channel.CreateUnbounded<StreamEvent>();
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpResponseMessage _response;
    private readonly Task _reading;
    private int _comments;

    private ServerEvents(HttpResponseMessage response)
    {
        _response = response;
        _reading = ReadAsync();
    }

    /// <summary>Comments that came: heartbeats.</summary>
    public int Comments => Volatile.Read(ref _comments);

    /// <summary>The last <c>retry</c>; null when there was none.</summary>
    public int? Retry { get; private set; }

    public string? ContentType => _response.Content.Headers.ContentType?.MediaType;

    /// <summary>Ends with the stream; fails when it was cut off.</summary>
    public Task Ended => _reading;

    public static async Task<ServerEvents> OpenAsync(Api api, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(api.Address, path));
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return (int)response.StatusCode == 200
            ? new ServerEvents(response)
            : throw new InvalidOperationException(
                $"The stream was refused: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
    }

    /// <summary>The next event, which must come within that time.</summary>
    public async Task<StreamEvent> NextAsync(TimeSpan? within = null)
    {
        using var patience = new CancellationTokenSource(within ?? Eventually.Patience);
        return await _events.Reader.ReadAsync(patience.Token);
    }

    /// <summary>Reads on until the event of that name.</summary>
    public async Task<StreamEvent> NextAsync(string name, TimeSpan? within = null)
    {
        while (true)
        {
            var next = await NextAsync(within);
            if (next.Name == name)
            {
                return next;
            }
        }
    }

    /// <summary>Whether no event waits to be read.</summary>
    public bool IsSilent => _events.Reader.Count == 0;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        try
        {
            await _reading;
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // Closed by us, or cut off with its instance.
        }
        _response.Dispose();
        _stop.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            using var reader = new StreamReader(await _response.Content.ReadAsStreamAsync(_stop.Token));
            var (name, id, text) = ("", "", "");
            while (await reader.ReadLineAsync(_stop.Token) is { } line)
            {
                text = line.Length == 0 ? "" : $"{text}{line}\n";
                if (line.StartsWith(':'))
                {
                    Interlocked.Increment(ref _comments);
                }
                else if (line.StartsWith("retry: ", StringComparison.Ordinal))
                {
                    Retry = int.Parse(line.AsSpan(7), System.Globalization.CultureInfo.InvariantCulture);
                }
                else if (line.StartsWith("id: ", StringComparison.Ordinal))
                {
                    id = line[4..];
                }
                else if (line.StartsWith("event: ", StringComparison.Ordinal))
                {
                    name = line[7..];
                }
                else if (line.StartsWith("data: ", StringComparison.Ordinal))
                {
                    _events.Writer.TryWrite(new StreamEvent(name, JsonElement.Parse(line[6..]), TimeProvider.System.GetUtcNow(), id, text));
                }
            }
        }
        finally
        {
            _events.Writer.TryComplete();
        }
    }
}

/// <summary>The stream of a visitor's place.</summary>
internal static class PlaceEvents
{
    public static Task<ServerEvents> OpenAsync(Visitor visitor) =>
        ServerEvents.OpenAsync(visitor.Api, "/v1/queue/tokens/current/events", visitor.InQueue());
}
