namespace ConcertBooking.Concerts.SeatStreams;

/// <summary>One open event stream of a schedule's seats.</summary>
/// <param name="version">Of the log, that the client has; 0: none.</param>
internal sealed class SeatStream(HttpContext context, TimeProvider time, long version) : EventStream(context, time)
{
    private long _version = version;

    /// <summary>Sends what the client does not have yet.</summary>
    /// <returns>Whether something was written.</returns>
    public bool Send(SeatLog log)
    {
        lock (Gate)
        {
            var (version, message) = log.MessageFrom(_version);
            if (message.IsEmpty || !TryWrite(message))
            {
                return false;
            }

            _version = version;
            return true;
        }
    }
}
