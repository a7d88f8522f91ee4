using System.Diagnostics;
using System.Net;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// Answers HTTP requests, one after another. The loop ends itself and closes the listener then: a listener that is closed
/// beside a call that waits for a request may leave that call waiting for ever.
/// </summary>
internal sealed class HttpReceiver : IAsyncDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(10);

    private readonly HttpListener _listener;
    private readonly TaskCompletionSource _stopping = new();
    private readonly Func<HttpListenerContext, Task> _answer;
    private readonly Task _serving;

    /// <param name="address">Ends with a slash.</param>
    /// <param name="answer">Answers one request; what it throws when the sender has gone is passed over.</param>
    public HttpReceiver(string address, Func<HttpListenerContext, Task> answer)
    {
        _answer = answer;
        _listener = Listen(address);
        _serving = Task.Run(ServeAsync);
    }

    /// <summary>A request that is being answered is answered first; those that wait are refused.</summary>
    public async ValueTask DisposeAsync()
    {
        _stopping.TrySetResult();
        await _serving;
    }

    /// <summary>
    /// A child process that is forked while a listener is open has its socket until its exec: a port that was just left may be in use.
    /// </summary>
    private static HttpListener Listen(string address)
    {
        for (var started = Stopwatch.GetTimestamp(); ;)
        {
            var listener = new HttpListener { Prefixes = { address } };
            try
            {
                listener.Start();
                return listener;
            }
            catch (HttpListenerException) when (Stopwatch.GetElapsedTime(started) < StartPatience)
            {
                Thread.Sleep(10);
            }
        }
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
