using System.Collections.Concurrent;
using System.Net;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>A notification as it came, headers and all.</summary>
internal sealed record Notification(string Body, IReadOnlyDictionary<string, string> Headers, int Answered)
{
    public string EventId => Headers["ce-id"];
}

/// <summary>A receiver of notifications that can be taken down, and can refuse.</summary>
internal sealed class Webhook : IAsyncDisposable
{
    private readonly ConcurrentQueue<Notification> _received = [];
    private HttpReceiver? _receiver;

    public string Address { get; } = $"http://127.0.0.1:{Ports.Take()}/hook/";

    public string Key { get; } = Rig.NewKey();

    /// <summary>The status for a body.</summary>
    public Func<string, int> Answer { get; set; } = static _ => 204;

    public IReadOnlyList<Notification> Received => [.. _received];

    /// <summary>Those it took.</summary>
    public IEnumerable<Notification> Taken => _received.Where(static received => received.Answered < 300);

    public Webhook Start()
    {
        _receiver = new HttpReceiver(Address, AnswerAsync);
        return this;
    }

    /// <summary>Whatever was received is answered first.</summary>
    public async Task StopAsync()
    {
        if (_receiver is { } receiver)
        {
            await receiver.DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private async Task AnswerAsync(HttpListenerContext context)
    {
        using var reader = new StreamReader(context.Request.InputStream);
        var body = await reader.ReadToEndAsync();
        var status = Answer(body);
        var headers = context.Request.Headers.AllKeys.OfType<string>()
            .ToDictionary(static name => name, name => context.Request.Headers[name]!, StringComparer.OrdinalIgnoreCase);
        _received.Enqueue(new Notification(body, headers, status));
        context.Response.StatusCode = status;
        context.Response.Close();
    }
}
