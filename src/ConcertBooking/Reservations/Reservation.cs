using System.Text.Json.Serialization;

namespace ConcertBooking.Reservations;

/// <summary>The statuses of a reservation that the service asks for, as the table and the API spell them.</summary>
internal static class ReservationStatus
{
    public const string Held = "HELD";
    public const string Confirmed = "CONFIRMED";
    public const string Released = "RELEASED";
}

/// <param name="Status"><c>HELD</c>, <c>CONFIRMED</c>, <c>EXPIRED</c> or <c>RELEASED</c>; an overdue hold reads EXPIRED at once.</param>
/// <param name="Price">Whole points, as it was when the seat was held.</param>
public sealed record ReservationResponse(
    string ReservationId, string BookingId, long ScheduleId, int SeatNo, string Status, long Price, DateTime HeldUntil)
{
    internal const string ExampleId = "019a3c5e-7d10-7c1e-9f42-5b1d0c6a8e01";

    internal static ReservationResponse Example => new(
        ExampleId, ExampleId, 1, 7, ReservationStatus.Held, 50_000, new DateTime(2026, 12, 1, 10, 5, 0, DateTimeKind.Utc));
}

/// <summary>A row of <see cref="Sql"/>, which Dapper fills by name.</summary>
internal sealed class ReservationRow
{
    /// <summary>The columns of every answer that contains a reservation. The database's clock decides what is overdue.</summary>
    public const string Sql = """
        SELECT r.reservation_id AS Id, COALESCE(r.booking_id, r.reservation_id) AS BookingId, r.schedule_id AS ScheduleId,
               r.seat_no AS SeatNo, r.price AS Price, r.held_expires_at AS HeldUntil,
               CASE WHEN r.status = 'HELD' AND r.held_expires_at <= NOW(3) THEN 'EXPIRED' ELSE r.status END AS Status
        FROM reservation r

        """;

    public Guid Id { get; set; }
    public Guid BookingId { get; set; }
    public long ScheduleId { get; set; }
    public int SeatNo { get; set; }
    public string Status { get; set; } = "";
    public long Price { get; set; }
    public DateTime HeldUntil { get; set; }

    public ReservationResponse ToResponse() => new(Id.ToString(), BookingId.ToString(), ScheduleId, SeatNo, Status, Price, HeldUntil);
}

[JsonSerializable(typeof(ReservationResponse))]
internal sealed partial class ReservationJson : JsonSerializerContext;
