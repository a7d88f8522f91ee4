using System.Net;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// Answers HTTP requests, one after another. The loop ends itself and closes the listener then: a listener that is closed
/// beside a call that waits for a request may leave that call waiting for ever.
/// </summary>
internal sealed class HttpReceiver : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly TaskCompletionSource _stopping = new();
    private readonly Func<HttpListenerContext, Task> _answer;
    private readonly Task _serving;

    /// <param name="address">Ends with a slash.</param>
    /// <param name="answer">Answers one request; what it throws when the sender has gone is passed over.</param>
    public HttpReceiver(string address, Func<HttpListenerContext, Task> answer)
    {
        _answer = answer;
        _listener.Prefixes.Add(address);
        _listener.Start();
        _serving = Task.Run(ServeAsync);
    }

    /// <summary>A request that is being answered is answered first; those that wait are refused.</summary>
    public async ValueTask DisposeAsync()
    {
        _stopping.TrySetResult();
        await _serving;
    }

    private async Task ServeAsync()
    {
        using (_listener)
        {
            while (true)
            {
                var request = _listener.GetContextAsync();
                await Task.WhenAny(request, _stopping.Task);
                if (_stopping.Task.IsCompleted)
                {
                    _ = request.ContinueWith(static refused => refused.Exception, TaskScheduler.Default);
                    return;
                }

                try
                {
                    await _answer(await request);
                }
                catch (Exception gone) when (gone is HttpListenerException or IOException or ObjectDisposedException)
                {
                    // Who asked has not waited; the next one may.
                }
            }
        }
    }
}
