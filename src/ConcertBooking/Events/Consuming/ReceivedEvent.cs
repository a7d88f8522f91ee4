using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertBooking.Events.Outbox;
using Confluent.Kafka;

namespace ConcertBooking.Events.Consuming;

/// <summary>The value of <c>payment.completed.v1</c>.</summary>
internal sealed record PaymentCompleted(
    Guid PaymentId, Guid ReservationId, long UserId, long ConcertId, long ScheduleId, int SeatNo, long Amount, DateTimeOffset PaidAt)
{
    private const int MostSeats = 100_000;
    private const long MostPoints = 1_000_000_000_000; // so that no day's sum overflows

    /// <summary>Null when every part is one that the consumers can work with.</summary>
    public string? Fault => this switch
    {
        not { UserId: > 0, ConcertId: > 0, ScheduleId: > 0 } => "an id is not positive",
        not { SeatNo: > 0 and <= MostSeats } => "seatNo is out of range",
        not { Amount: >= 0 and <= MostPoints } => "amount is out of range",
        not { PaidAt.Year: >= 2000 and < 9999 } => "paidAt is out of range",
        _ => null,
    };
}

/// <summary>The message cannot be read, by anybody at any time: it is not tried, and says nothing of us or of the target.</summary>
internal sealed class EventUnreadableException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>The event was read and will never be taken, however often it is tried.</summary>
internal class EventRefusedException(string reason) : Exception(reason);

/// <summary>A receiver that is not ours refused it. When it refuses everything, the fault may be its address or itself.</summary>
internal sealed class ReceiverRefusedException(string reason) : EventRefusedException(reason);

/// <summary>Where the effect goes does not answer; nothing is said of the event.</summary>
internal sealed class TargetUnavailableException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>A message on its way through a consumer, until its effect is done or it is a dead letter.</summary>
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
        catch (Exception exception) // of whatever kind: nothing was read but the message
        {
            Failure = exception as EventUnreadableException ?? new EventUnreadableException(exception.Message, exception);
        }
    }

    public ConsumeResult<byte[], byte[]> Result { get; }

    public int Attempts { get; set; }

    /// <summary>Rounds of tries in which it failed while others did not.</summary>
    public int LostRounds { get; set; }

    public Exception? Failure { get; set; }

    public bool IsReadable => Failure is not EventUnreadableException;

    public string Key => Encoding.UTF8.GetString(Result.Message.Key ?? []);

    public byte[] Value => Result.Message.Value ?? [];

    public Guid Id { get; }

    /// <summary>Null when it is of another type, which a consumer passes over.</summary>
    public PaymentCompleted? Payment { get; }

    /// <summary>The only group that is to take it, when it was put back for one.</summary>
    public string? ReplayGroup => Header(DeadLetterHeaders.ReplayGroup);

    public string? Header(string name) =>
        Result.Message.Headers?.TryGetLastBytes(name, out var bytes) == true && bytes is not null ? Encoding.UTF8.GetString(bytes) : null;

    private PaymentCompleted? ReadPayment()
    {
        switch (Header("ce_type"))
        {
            case null or "":
                throw new EventUnreadableException("the header ce_type is missing");
            case not OutboxEvents.PaymentCompleted:
                return null;
        }

        try
        {
            var payment = JsonSerializer.Deserialize(Value, EventJson.Web.PaymentCompleted);
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
internal sealed partial class EventJson : JsonSerializerContext
{
    public static EventJson Web { get; } = new(new(JsonSerializerDefaults.Web)
    {
        RespectRequiredConstructorParameters = true,
        NumberHandling = JsonNumberHandling.Strict,
    });
}
