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
    private readonly SemaphoreSlim _answering = new(1);
    private HttpListener? _listener;
    private Task _serving = Task.CompletedTask;

    public string Address { get; } = $"http://127.0.0.1:{Ports.Take()}/hook/";

    public string Key { get; } = Rig.NewKey();

    /// <summary>The status for a body.</summary>
    public Func<string, int> Answer { get; set; } = static _ => 204;

    public IReadOnlyList<Notification> Received => [.. _received];

    /// <summary>Those it took.</summary>
    public IEnumerable<Notification> Taken => _received.Where(static received => received.Answered < 300);

    public Webhook Start()
    {
        var listener = new HttpListener { Prefixes = { Address } };
        listener.Start();
        _listener = listener;
        _serving = Task.Run(() => ServeAsync(listener));
        return this;
    }

    /// <summary>Whatever was received is answered first.</summary>
    public async Task StopAsync()
    {
        await _answering.WaitAsync();
        _listener?.Close();
        _answering.Release();
        await _serving;
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private async Task ServeAsync(HttpListener listener)
    {
        while (true)
        {
            try
            {
                var context = await listener.GetContextAsync();
                using var reader = new StreamReader(context.Request.InputStream);
                var body = await reader.ReadToEndAsync();
                var status = Answer(body);
                var headers = context.Request.Headers.AllKeys.OfType<string>()
                    .ToDictionary(static name => name, name => context.Request.Headers[name]!, StringComparer.OrdinalIgnoreCase);
                await _answering.WaitAsync();
                try
                {
                    if (!listener.IsListening)
                    {
                        return;
                    }

                    _received.Enqueue(new Notification(body, headers, status));
                    context.Response.StatusCode = status;
                    context.Response.Close();
                }
                finally
                {
                    _answering.Release();
                }
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                if (!listener.IsListening)
                {
                    return;
                }
            }
        }
    }
}
