using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertBooking.Http;

/// <summary>
/// One open stream of server-sent events. The caller's thread writes each message directly into the response, one at a time. A
/// slow client misses the messages sent while a write is in progress, and is disconnected if that takes too long.
/// </summary>
internal abstract class EventStream(HttpContext context, TimeProvider time)
{
    public const string ContentType = "text/event-stream";

    /// <summary>Written at once; of a longer message each piece after the one before has left.</summary>
    private const int PieceBytes = 16 * 1024;

    /// <summary>What the system keeps for a client that does not read; by default it grows to some MB.</summary>
    private const int SendBufferBytes = 32 * 1024;

    /// <summary>How long one piece may take.</summary>
    private static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(10);

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PipeWriter _writer = context.Response.BodyWriter;
    private Task _writing = Task.CompletedTask;
    private bool _closed;
    private long _writtenAt;

    protected TimeProvider Time => time;

    /// <summary>Guards all state of the stream, that of derived classes included.</summary>
    protected Lock Gate { get; } = new();

    /// <summary>Sets the headers of a stream, before one is created.</summary>
    /// <returns>False for HEAD, which has no body.</returns>
    public static bool TryBegin(HttpContext context)
    {
        context.Response.ContentType = ContentType;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers["X-Accel-Buffering"] = "no"; // or nginx would buffer events
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return false;
        }

        context.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        if (context.Features.Get<IConnectionSocketFeature>() is { } connection)
        {
            connection.Socket.SendBufferSize = SendBufferBytes;
        }

        return true;
    }

    /// <summary>Completes when the stream was closed or its client has disconnected, after the last write.</summary>
    public async Task CompletionAsync()
    {
        using var disconnect = context.RequestAborted.UnsafeRegister(static stream => ((EventStream)stream!).Close(), this);
        await _ended.Task;
        await _writing;
    }

    /// <summary>Sends a comment, unless something was written within that time.</summary>
    public void SendHeartbeat(TimeSpan silence)
    {
        lock (Gate)
        {
            if (time.GetElapsedTime(_writtenAt) >= silence)
            {
                TryWrite(":\n\n"u8);
            }
        }
    }

    /// <summary>
    /// Closes the stream of a stopping instance: the client reconnects after a random time, when this instance no longer accepts
    /// connections.
    /// </summary>
    public void CloseWithRetry() => CloseAfter(
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"retry: {Random.Shared.Next(2_000, 7_000)}\n\n")));

    /// <summary>Closes the stream with <c>closed</c>, at which a page closes its own; one that does not reconnects after a day.</summary>
    public void CloseForGood(string code) =>
        CloseAfter(Encoding.UTF8.GetBytes($"retry: 86400000\nevent: closed\ndata: {{\"code\":\"{code}\"}}\n\n"));

    protected void Close()
    {
        lock (Gate)
        {
            _closed = true;
        }

        _ended.TrySetResult();
    }

    /// <returns>False when the stream is closed or the previous write is still in progress.</returns>
    protected bool TryWrite(ReadOnlySpan<byte> message)
    {
        lock (Gate)
        {
            if (!CanWrite())
            {
                return false;
            }

            message.CopyTo(_writer.GetSpan(message.Length));
            _writer.Advance(message.Length);
            var flush = _writer.FlushAsync();
            _writing = flush.IsCompletedSuccessfully ? Task.CompletedTask : CompleteAsync(flush);
            return true;
        }
    }

    /// <inheritdoc cref="TryWrite(ReadOnlySpan{byte})"/>
    protected bool TryWrite(ReadOnlyMemory<byte> message)
    {
        if (message.Length <= PieceBytes)
        {
            return TryWrite(message.Span);
        }

        lock (Gate)
        {
            if (!CanWrite())
            {
                return false;
            }

            _writing = WritePiecesAsync(message);
            return true;
        }
    }

    /// <summary>Disconnects a client that the previous write has waited for too long.</summary>
    private bool CanWrite()
    {
        var now = time.GetTimestamp();
        if (_closed)
        {
            return false;
        }

        if (!_writing.IsCompleted)
        {
            if (time.GetElapsedTime(Volatile.Read(ref _writtenAt), now) > WriteTimeout)
            {
                context.Abort();
            }

            return false;
        }

        Volatile.Write(ref _writtenAt, now);
        return true;
    }

    private async Task WritePiecesAsync(ReadOnlyMemory<byte> message)
    {
        for (var sent = 0; sent < message.Length && !context.RequestAborted.IsCancellationRequested; sent += PieceBytes)
        {
            await CompleteAsync(_writer.WriteAsync(message.Slice(sent, Math.Min(PieceBytes, message.Length - sent))));
            Volatile.Write(ref _writtenAt, time.GetTimestamp());
        }
    }

    /// <summary>Closes the stream with a last message, written after a write in progress.</summary>
    private void CloseAfter(byte[] message)
    {
        lock (Gate)
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
