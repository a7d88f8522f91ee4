using System.Text;
using System.Text.Json;

namespace ConcertBooking.Queue.Streams;

/// <summary>One open event stream of a user's place.</summary>
internal sealed class PlaceStream(HttpContext context, QueueToken token, QueueTokens tokens, Settings settings, TimeProvider time)
    : EventStream(context, time)
{
    /// <summary>A position is sent once a second at most, by a tick that may be a little early.</summary>
    private static readonly TimeSpan PositionInterval = TimeSpan.FromMilliseconds(950);

    /// <summary>More than any <see cref="PlaceResponse"/> has as JSON.</summary>
    private const int MaximumDataBytes = 1024;

    private QueueToken _token = token;
    private long _position;
    private long _positionAt;

    public (string Queue, long UserId) Owner { get; } = (token.Queue, token.UserId);

    /// <summary>Renewed by every place, so that a long stream outlives a loss of Redis's data.</summary>
    public QueueToken Token
    {
        get
        {
            lock (Gate)
            {
                return _token;
            }
        }
    }

    /// <summary>Sends the place if it has changed; admission or the place's end closes the stream.</summary>
    public void SendPlace(in Place place)
    {
        lock (Gate)
        {
            switch (place.Status)
            {
                case PlaceStatus.Waiting:
                    _token = _token with { IssuedAt = place.Now };
                    if (place.Position != _position && (_position == 0 || Time.GetElapsedTime(_positionAt) >= PositionInterval)
                        && WriteEvent("position", Answer(place)))
                    {
                        (_position, _positionAt) = (place.Position, Time.GetTimestamp());
                    }

                    break;
                case PlaceStatus.Active when WriteEvent("active", Answer(place)):
                case PlaceStatus.Gone when TryWrite("event: expired\ndata: {\"code\":\"queue_token_expired\"}\n\n"u8):
                    Close();
                    break;
            }
        }
    }

    /// <summary>Closes the stream because its user has opened too many; the client should not reconnect.</summary>
    public void Supersede() => CloseForGood("too_many_streams");

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
        return TryWrite(message[..(length + 2)]);
    }
}
