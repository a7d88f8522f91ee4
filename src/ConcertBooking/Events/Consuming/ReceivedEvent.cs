using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;
using ConcertBooking.Events.Outbox;
using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <param name="Price">Whole points.</param>
internal sealed record PaidSeat(Guid ReservationId, int SeatNo, long Price);

/// <summary>The value of <c>payment.completed.v2</c>.</summary>
internal sealed record PaymentCompleted(
    Guid PaymentId, Guid BookingId, long UserId, long ConcertId, long ScheduleId, IReadOnlyList<PaidSeat> Seats, long Amount,
    DateTimeOffset PaidAt)
{
    private const long MaximumAmount = 1_000_000_000_000; // so that no day's sum overflows

    /// <summary>Why the consumers cannot process it; null when they can.</summary>
    public string? Fault => this switch
    {
        not { UserId: > 0, ConcertId: > 0, ScheduleId: > 0 } => "an id is not positive",
        { Seats: [] } => "it has no seats",
        _ when Seats.Any(static seat => seat is not { SeatNo: > 0 and <= Catalogue.MaximumSeats }) => "seatNo is out of range",
        not { Amount: >= 0 and <= MaximumAmount } => "amount is out of range",
        not { PaidAt.Year: >= 2000 and < 9999 } => "paidAt is out of range",
        _ => null,
    };
}

/// <summary>The value of <c>payment.completed.v1</c>, which older builds sent: a booking of one seat.</summary>
internal sealed record SeatPaid(
    Guid PaymentId, Guid ReservationId, long UserId, long ConcertId, long ScheduleId, int SeatNo, long Amount, DateTimeOffset PaidAt)
{
    public PaymentCompleted ToPayment() => new(
        PaymentId, ReservationId, UserId, ConcertId, ScheduleId, [new PaidSeat(ReservationId, SeatNo, Amount)], Amount, PaidAt);
}

/// <summary>The message cannot be parsed: it is not tried, and says nothing about the target.</summary>
internal sealed class EventUnreadableException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>The event was parsed and will always be refused, so that retries are useless.</summary>
internal class EventRefusedException(string reason) : Exception(reason);

/// <summary>A receiver outside this system refused the event. If it refuses everything, it or its address may be at fault.</summary>
internal sealed class ReceiverRefusedException(string reason) : EventRefusedException(reason);

/// <summary>The target of the effect does not respond; this says nothing about the event.</summary>
internal sealed class TargetUnavailableException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>A message that a consumer has received, until its effect is done or it is a dead letter.</summary>
internal sealed class ReceivedEvent
{
    public ReceivedEvent(ConsumeResult<byte[], byte[]> result)
    {
        Result = result;
        try
        {
            Id = Guid.TryParse(Header("ce_id"), out var id) ? id : throw new EventUnreadableException("the header ce_id is not a UUID");
            Payment = ReadPayment();
        }
        catch (Exception exception) // of any kind: only the message was read
        {
            Failure = exception as EventUnreadableException ?? new EventUnreadableException(exception.Message, exception);
        }
    }

    public ConsumeResult<byte[], byte[]> Result { get; }

    public int Attempts { get; set; }

    /// <summary>Rounds in which it failed while the target worked.</summary>
    public int FailedRounds { get; set; }

    /// <summary>Why the last attempt failed; null when it succeeded.</summary>
    public Exception? Failure { get; set; }

    public FailureKind FailureKind => Failure switch
    {
        ReceiverRefusedException => FailureKind.ReceiverRefused,
        EventRefusedException => FailureKind.EventRefused,
        TargetUnavailableException => FailureKind.TargetUnavailable,
        _ => FailureKind.Unknown,
    };

    public bool IsReadable => Failure is not EventUnreadableException;

    public string Key => Encoding.UTF8.GetString(Result.Message.Key ?? []);

    public byte[] Value => Result.Message.Value ?? [];

    public Guid Id { get; }

    /// <summary>Null for an event of another type, which consumers skip.</summary>
    public PaymentCompleted? Payment { get; }

    /// <summary>The only group that consumes it, if it is a replayed dead letter.</summary>
    public string? ReplayGroup => Header(DeadLetterHeaders.ReplayGroup);

    public string? Header(string name) =>
        Result.Message.Headers?.TryGetLastBytes(name, out var bytes) == true && bytes is not null ? Encoding.UTF8.GetString(bytes) : null;

    private PaymentCompleted? ReadPayment()
    {
        var type = Header("ce_type");
        if (type is null or "")
        {
            throw new EventUnreadableException("the header ce_type is missing");
        }

        if (type is not (OutboxEvents.PaymentCompleted or OutboxEvents.SeatPaid))
        {
            return null;
        }

        try
        {
            var payment = type == OutboxEvents.PaymentCompleted
                ? JsonSerializer.Deserialize(Value, EventJson.Web.PaymentCompleted)
                : JsonSerializer.Deserialize(Value, EventJson.Web.SeatPaid)?.ToPayment();
            return payment is null ? throw new EventUnreadableException("the value is null")
                : payment.Fault is { } fault ? throw new EventUnreadableException($"the value is not a payment: {fault}")
                : payment;
        }
        catch (JsonException exception)
        {
            throw new EventUnreadableException($"the value is not a payment: {exception.Message}", exception);
        }
    }
}

[JsonSerializable(typeof(PaymentCompleted))]
[JsonSerializable(typeof(SeatPaid))]
internal sealed partial class EventJson : JsonSerializerContext
{
    public static EventJson Web { get; } = new(new(JsonSerializerDefaults.Web)
    {
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        NumberHandling = JsonNumberHandling.Strict,
    });
}
