using System.Text.Json.Serialization;

namespace ConcertBooking.Queue;

/// <param name="Token">Replaces the older one.</param>
/// <param name="Status"><c>WAITING</c> or <c>ACTIVE</c>.</param>
/// <param name="Position">1 is next in line, 0 is admitted.</param>
/// <param name="EtaSeconds">From the queue's measured pace; null while unknown.</param>
/// <param name="ExpiresAt">End of admission; null while waiting.</param>
/// <param name="PollAfterMs">How long to wait before polling again; grows with the position.</param>
public sealed record PlaceResponse(
    string Token, string Queue, string Status, long Position, long? EtaSeconds, DateTime? ExpiresAt, long PollAfterMs)
{
    internal static PlaceResponse Waiting => new("AQRtYWluAAAAKgAB3yGk0b8", "main", "WAITING", 12, 40, null, 4_000);

    internal static PlaceResponse Admitted => new(
        "AQRtYWluAAAAKgAB3yHm4Xc", "main", "ACTIVE", 0, null, new DateTime(2026, 12, 1, 10, 10, 0, DateTimeKind.Utc), 10_000);
}

/// <summary>Converts a place to the response, with a new token.</summary>
internal static class PlaceAnswer
{
    private const long MinimumPoll = 1_000;
    private const long MaximumPoll = 30_000;
    private const long PollPerPosition = 20;
    private const long PollActive = 10_000;
    private const long MaximumEta = 86_400;

    public static PlaceResponse Create(in Place place, long userId, string queue, QueueTokens tokens, Settings settings)
    {
        var active = place.Status is PlaceStatus.Active;
        var token = tokens.Sign(new QueueToken(userId, queue, place.Ticket, place.Now, active ? place.AdmittedUntil : 0));
        var eta = active ? null : Eta(place.Position, place.Pace);
        return new PlaceResponse(
            token, queue, active ? "ACTIVE" : "WAITING", place.Position, eta,
            active ? DateTimeOffset.FromUnixTimeMilliseconds(place.AdmittedUntil).UtcDateTime : null,
            active ? PollActive : PollAfter(place.Position, eta, settings));
    }

    /// <summary>The wait of a position in seconds, a day at most; null while the pace is unknown.</summary>
    public static long? Eta(long position, double pace) =>
        pace <= 0 ? null : (long)Math.Min(MaximumEta, Math.Ceiling(position / pace));

    /// <summary>About ten polls until admission, and always well before the place would expire as idle.</summary>
    private static long PollAfter(long position, long? eta, Settings settings)
    {
        var wanted = eta is { } seconds ? seconds * 100 : MinimumPoll + (position * PollPerPosition);
        var most = Math.Min(MaximumPoll, (long)settings.QueueIdle.TotalMilliseconds / 3);
        return Math.Clamp(wanted, Math.Min(MinimumPoll, most), most);
    }
}

[JsonSerializable(typeof(PlaceResponse))]
internal sealed partial class PlaceJson : JsonSerializerContext
{
    /// <summary>For the event stream, which serialises without the framework, with the same options.</summary>
    public static PlaceJson Web { get; } = new(new(System.Text.Json.JsonSerializerDefaults.Web));
}
