using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;

namespace ConcertBooking.Queue.Streams;

/// <summary>
/// One open event stream (server-sent events). The caller's thread writes each event directly into the response, one at a
/// time. A slow client misses the events sent while a write is in progress; Kestrel disconnects it if it stays too slow.
/// </summary>
internal sealed class PlaceStream(HttpContext context, QueueToken token, QueueTokens tokens, Settings settings, TimeProvider time)
{
    /// <summary>A position is sent once a second at most, by a tick that may be a little early.</summary>
    private static readonly TimeSpan PositionInterval = TimeSpan.FromMilliseconds(950);

    /// <summary>A page closes its stream at this event. A page that does not reconnects after a day.</summary>
    private static readonly byte[] Superseded = [.. "retry: 86400000\nevent: closed\ndata: {\"code\":\"too_many_streams\"}\n\n"u8];

    /// <summary>More than any <see cref="PlaceResponse"/> has as JSON.</summary>
    private const int MaximumDataBytes = 1024;

    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PipeWriter _writer = context.Response.BodyWriter;
    private Task _writing = Task.CompletedTask;
    private bool _closed;
    private QueueToken _token = token;
    private long _position;
    private long _positionAt;
    private long _writtenAt;

    public (string Queue, long UserId) Owner { get; } = (token.Queue, token.UserId);

    /// <summary>Renewed by every place, so that a long stream outlives a loss of Redis's data.</summary>
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

    /// <summary>Completes when the stream was closed or its client has disconnected, after the last write.</summary>
    public async Task CompletionAsync()
    {
        using var disconnect = context.RequestAborted.UnsafeRegister(static stream => ((PlaceStream)stream!).Close(), this);
        await _ended.Task;
        await _writing;
    }

    /// <summary>Sends the place if it has changed; admission or the place's end closes the stream.</summary>
    public void SendPlace(in Place place)
    {
        lock (_lock)
        {
            switch (place.Status)
            {
                case PlaceStatus.Waiting:
                    _token = _token with { IssuedAt = place.Now };
                    if (place.Position != _position && (_position == 0 || time.GetElapsedTime(_positionAt) >= PositionInterval)
                        && WriteEvent("position", Answer(place)))
                    {
                        (_position, _positionAt) = (place.Position, _writtenAt);
                    }

                    break;
                case PlaceStatus.Active when WriteEvent("active", Answer(place)):
                case PlaceStatus.Gone when Write("event: expired\ndata: {\"code\":\"queue_token_expired\"}\n\n"u8):
                    Close();
                    break;
            }
        }
    }

    /// <summary>Sends a comment, unless something was written within that time.</summary>
    public void SendHeartbeat(TimeSpan silence)
    {
        lock (_lock)
        {
            if (time.GetElapsedTime(_writtenAt) >= silence)
            {
                Write(":\n\n"u8);
            }
        }
    }

    /// <summary>Closes the stream of a stopping instance: the client reconnects, to another one, after this time.</summary>
    public void CloseWithRetry(int retryMilliseconds) =>
        CloseAfter(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"retry: {retryMilliseconds}\n\n")));

    /// <summary>Closes the stream because its user has opened too many; the client should not reconnect.</summary>
    public void Supersede() => CloseAfter(Superseded);

    /// <summary>Closes the stream with a last message, written after a write in progress.</summary>
    private void CloseAfter(byte[] message)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            _writing = WriteAfterAsync(_writing, message);
        }

        _ended.TrySetResult();
    }

    private async Task WriteAfterAsync(Task before, byte[] message)
    {
        await before;
        if (!context.RequestAborted.IsCancellationRequested)
        {
            await CompleteAsync(_writer.WriteAsync(message, context.RequestAborted));
        }
    }

    private void Close()
    {
        lock (_lock)
        {
            _closed = true;
        }

        _ended.TrySetResult();
    }

    private PlaceResponse Answer(in Place place) => PlaceAnswer.Create(place, _token.UserId, _token.Queue, tokens, settings);

    private bool WriteEvent(string name, PlaceResponse response)
    {
        var data = JsonSerializer.SerializeToUtf8Bytes(response, PlaceJson.Web.PlaceResponse);
        Span<byte> message = stackalloc byte[64 + MaximumDataBytes];
        if (data.Length > MaximumDataBytes)
        {
            throw new InvalidOperationException("The answer exceeds the buffer of an event.");
        }

        var length = Encoding.UTF8.GetBytes($"event: {name}\ndata: ", message);
        data.CopyTo(message[length..]);
        length += data.Length;
        "\n\n"u8.CopyTo(message[length..]);
        return Write(message[..(length + 2)]);
    }

    /// <returns>False when the stream is closed or the previous write is still in progress.</returns>
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
            _writing = flush.IsCompletedSuccessfully ? Task.CompletedTask : CompleteAsync(flush);
            _writtenAt = time.GetTimestamp();
            return true;
        }
    }

    private static async Task CompleteAsync(ValueTask<FlushResult> flush)
    {
        try
        {
            await flush;
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The client has disconnected; its request ends by itself.
        }
    }
}
