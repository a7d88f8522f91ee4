using System.Text.Json.Serialization;

namespace ConcertBooking.Queue;

/// <param name="Token">Replaces the older one.</param>
/// <param name="Status"><c>WAITING</c> or <c>ACTIVE</c>.</param>
/// <param name="Position">1 is next in line, 0 is admitted.</param>
/// <param name="EtaSeconds">From the queue's measured pace; null while unknown.</param>
/// <param name="ExpiresAt">End of admission; null while waiting.</param>
/// <param name="PollAfterMs">How long to wait before asking again; grows with the position.</param>
public sealed record PlaceResponse(
    string Token, string Queue, string Status, long Position, long? EtaSeconds, DateTime? ExpiresAt, long PollAfterMs);

/// <summary>Turns a place into what the client sees, with a fresh token.</summary>
internal static class PlaceAnswer
{
    private const long PollAtLeast = 1_000;
    private const long PollAtMost = 30_000;
    private const long PollPerPosition = 20;
    private const long PollActive = 10_000;
    private const long LongestEta = 86_400;

    public static PlaceResponse Create(in Place place, long userId, string queue, QueueTokens tokens, Settings settings)
    {
        var active = place.Status is PlaceStatus.Active;
        var token = tokens.Sign(new QueueToken(userId, queue, place.Ticket, place.Now, active ? place.AdmittedUntil : 0));
        long? eta = active || place.Pace <= 0 ? null : (long)Math.Min(LongestEta, Math.Ceiling(place.Position / place.Pace));
        return new PlaceResponse(
            token, queue, active ? "ACTIVE" : "WAITING", place.Position, eta,
            active ? DateTimeOffset.FromUnixTimeMilliseconds(place.AdmittedUntil).UtcDateTime : null,
            active ? PollActive : PollAfter(place.Position, eta, settings));
    }

    /// <summary>About ten looks on the way, and always well before an owner who waits this long would count as gone.</summary>
    private static long PollAfter(long position, long? eta, Settings settings)
    {
        var wanted = eta is { } seconds ? seconds * 100 : PollAtLeast + (position * PollPerPosition);
        var most = Math.Min(PollAtMost, (long)settings.QueueIdle.TotalMilliseconds / 3);
        return Math.Clamp(wanted, Math.Min(PollAtLeast, most), most);
    }
}

[JsonSerializable(typeof(PlaceResponse))]
internal sealed partial class PlaceJson : JsonSerializerContext
{
    /// <summary>For the event stream, which writes without the framework; as <see cref="Json.AddJson"/> has it.</summary>
    public static PlaceJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
