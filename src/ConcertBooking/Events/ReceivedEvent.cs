using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Confluent.Kafka;

namespace ConcertBooking.Events;

/// <summary>The value of <c>payment.completed.v1</c>.</summary>
internal sealed record PaymentCompleted(
    Guid PaymentId, Guid ReservationId, long UserId, long ConcertId, long ScheduleId, int SeatNo, long Amount, DateTimeOffset PaidAt);

/// <summary>The event cannot be understood or will never be taken, however often it is tried.</summary>
internal sealed class EventRefusedException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>Where the effect goes does not answer; nothing is said of the event.</summary>
internal sealed class TargetUnavailableException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>A message on its way through a consumer, until its effect is done or it is a dead letter.</summary>
internal sealed class ReceivedEvent(ConsumeResult<byte[], byte[]> result)
{
    private const int MostSeats = 100_000;

    public ConsumeResult<byte[], byte[]> Result => result;

    public int Attempts { get; set; }

    /// <summary>Rounds of tries in which it failed while others did not.</summary>
    public int LostRounds { get; set; }

    public Exception? Failure { get; set; }

    public string Key => Encoding.UTF8.GetString(result.Message.Key ?? []);

    public byte[] Value => result.Message.Value ?? [];

    /// <exception cref="EventRefusedException">There is no <c>ce_id</c>.</exception>
    public Guid Id => Guid.TryParse(Header("ce_id"), out var id) ? id : throw new EventRefusedException("the header ce_id is not a UUID");

    public string Type => Header("ce_type") ?? "";

    public string? Header(string name) =>
        result.Message.Headers?.TryGetLastBytes(name, out var bytes) == true && bytes is not null ? Encoding.UTF8.GetString(bytes) : null;

    /// <summary>Null when it is of another type, which a consumer passes over.</summary>
    /// <exception cref="EventRefusedException">It is none, whatever its type says.</exception>
    public PaymentCompleted? Payment()
    {
        if (Type != Outbox.PaymentCompleted)
        {
            return Type.Length > 0 ? null : throw new EventRefusedException("the header ce_type is missing");
        }

        try
        {
            var payment = JsonSerializer.Deserialize(Value, EventJson.Web.PaymentCompleted);
            return payment is { ConcertId: > 0, ScheduleId: > 0, SeatNo: > 0 and <= MostSeats, Amount: >= 0 }
                ? payment
                : throw new EventRefusedException("the value is out of range");
        }
        catch (JsonException exception)
        {
            throw new EventRefusedException($"the value is not a payment: {exception.Message}", exception);
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
