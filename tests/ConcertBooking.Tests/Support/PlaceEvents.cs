using System.Text.Json;
using System.Threading.Channels;

namespace ConcertBooking.Tests.Support;

/// <summary>One event of a stream, and when it came.</summary>
public sealed record StreamEvent(string Name, JsonElement Data, DateTimeOffset At);

/// <summary>An open stream of server-sent events, read in the background.</summary>
public sealed class PlaceEvents : IAsyncDisposable
{
    private static readonly HttpClient Http = new(
        new SocketsHttpHandler { UseProxy = false, ActivityHeadersPropagator = null })
    { Timeout = Timeout.InfiniteTimeSpan };

    private readonly Channel<StreamEvent> _events = Channel.CreateUnbounded<StreamEvent>();
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpResponseMessage _response;
    private readonly Task _reading;
    private int _comments;

    private PlaceEvents(HttpResponseMessage response)
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

    /// <summary>Opens the stream of the visitor's place.</summary>
    public static async Task<PlaceEvents> OpenAsync(Visitor visitor)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(visitor.Api.Address, "/v1/queue/tokens/current/events"));
        request.Headers.Add("Queue-Token", visitor.QueueToken);
        var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return (int)response.StatusCode == 200
            ? new PlaceEvents(response)
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
            var name = "";
            while (await reader.ReadLineAsync(_stop.Token) is { } line)
            {
                if (line.StartsWith(':'))
                {
                    Interlocked.Increment(ref _comments);
                }
                else if (line.StartsWith("retry: ", StringComparison.Ordinal))
                {
                    Retry = int.Parse(line.AsSpan(7), System.Globalization.CultureInfo.InvariantCulture);
                }
                else if (line.StartsWith("event: ", StringComparison.Ordinal))
                {
                    name = line[7..];
                }
                else if (line.StartsWith("data: ", StringComparison.Ordinal))
                {
                    _events.Writer.TryWrite(new StreamEvent(name, JsonElement.Parse(line[6..]), TimeProvider.System.GetUtcNow()));
                }
            }
        }
        finally
        {
            _events.Writer.TryComplete();
        }
    }
}
