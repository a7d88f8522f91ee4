using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;

namespace ConcertBooking.Queue.Streams;

/// <summary>
/// One open event stream. Everything is written by whoever calls, one at a time, straight into the response; a client
/// that does not read misses what it was too slow for, and Kestrel cuts it off when it stays too slow.
/// </summary>
internal sealed class PlaceStream(HttpContext context, QueueToken token, TimeProvider time)
{
    /// <summary>A position is told once a second at most, by a tick that may come a little early.</summary>
    private static readonly TimeSpan PositionInterval = TimeSpan.FromMilliseconds(950);

    /// <summary>A page closes its stream at this event. One that does not, comes back after a day.</summary>
    private static readonly byte[] Superseded = [.. "retry: 86400000\nevent: closed\ndata: {\"code\":\"too_many_streams\"}\n\n"u8];

    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PipeWriter _writer = context.Response.BodyWriter;
    private Task _writing = Task.CompletedTask;
    private bool _closed;
    private QueueToken _token = token;
    private long _position;
    private long _positionAt;
    private long _saidAt;

    public (string Queue, long UserId) Owner { get; } = (token.Queue, token.UserId);

    /// <summary>As if it had been issued by the last answer, so that a long stream outlives a loss of Redis's data.</summary>
    public QueueToken Token
    {
        get
        {
            lock (_lock)
            {
                return _token;
            }
        }
    }

    public CancellationToken ClientGone => context.RequestAborted;

    /// <summary>Ends when the stream has ended and nothing is being written any more.</summary>
    public async Task OverAsync()
    {
        await _over.Task;
        await _writing;
    }

    /// <summary>Tells the place if there is something new to tell; admitted or gone, that is the end.</summary>
    public void SendPlace(in Place place, Func<Place, QueueToken, PlaceResponse> answer)
    {
        lock (_lock)
        {
            switch (place.Status)
            {
                case PlaceStatus.Waiting:
                    _token = _token with { IssuedAt = place.Now };
                    if (place.Position != _position && (_position == 0 || time.GetElapsedTime(_positionAt) >= PositionInterval)
                        && WriteEvent("position", answer(place, _token)))
                    {
                        (_position, _positionAt) = (place.Position, _saidAt);
                    }

                    break;
                case PlaceStatus.Active when WriteEvent("active", answer(place, _token)):
                case PlaceStatus.Gone when Write("event: expired\ndata: {\"code\":\"queue_token_expired\"}\n\n"u8):
                    Close();
                    break;
            }
        }
    }

    /// <summary>A comment, unless something was said since.</summary>
    public void SendHeartbeat(TimeSpan silence)
    {
        lock (_lock)
        {
            if (time.GetElapsedTime(_saidAt) >= silence)
            {
                Write(":\n\n"u8);
            }
        }
    }

    /// <summary>The last word of an instance that is stopping: when to come back, to another one.</summary>
    public void CloseWithRetry(int retryMilliseconds) =>
        End(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"retry: {retryMilliseconds}\n\n")));

    /// <summary>Too many of this user's streams are open here: says so, and asks not to come back.</summary>
    public void Supersede() => End(Superseded);

    /// <summary>Closes after a last word, which waits for what is still being written.</summary>
    private void End(byte[] word)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            _writing = WriteAfterAsync(_writing, word);
        }

        _over.TrySetResult();
    }

    private async Task WriteAfterAsync(Task before, byte[] word)
    {
        await before;
        if (!ClientGone.IsCancellationRequested)
        {
            await FinishAsync(_writer.WriteAsync(word, ClientGone));
        }
    }

    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
        }

        _over.TrySetResult();
    }

    private bool WriteEvent(string name, PlaceResponse response)
    {
        var data = JsonSerializer.SerializeToUtf8Bytes(response, PlaceJson.Web.PlaceResponse);
        Span<byte> message = stackalloc byte[64 + 1024];
        if (data.Length > 1024)
        {
            throw new InvalidOperationException("A place's answer is longer than any can be.");
        }

        var length = Encoding.UTF8.GetBytes($"event: {name}\ndata: ", message);
        data.CopyTo(message[length..]);
        length += data.Length;
        "\n\n"u8.CopyTo(message[length..]);
        return Write(message[..(length + 2)]);
    }

    /// <returns>False when the client has not yet taken what was written before.</returns>
    private bool Write(ReadOnlySpan<byte> message)
    {
        lock (_lock)
        {
            if (_closed || !_writing.IsCompleted)
            {
                return false;
            }

            message.CopyTo(_writer.GetSpan(message.Length));
            _writer.Advance(message.Length);
            var flush = _writer.FlushAsync();
            _writing = flush.IsCompletedSuccessfully ? Task.CompletedTask : FinishAsync(flush);
            _saidAt = time.GetTimestamp();
            return true;
        }
    }

    private static async Task FinishAsync(ValueTask<FlushResult> flush)
    {
        try
        {
            await flush;
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The client is gone; its request ends by itself.
        }
    }
}
