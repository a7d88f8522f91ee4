using System.Text.Json.Serialization;
using ConcertBooking.Queue;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Payments;

/// <summary>A request to pay a booking.</summary>
/// <param name="BookingId">What the client named; or <paramref name="ReservationId"/>, which names the booking that it is in.</param>
/// <param name="NotFound">What to answer when the user has no such booking.</param>
internal sealed record BookingPayment(QueueToken Token, IdempotentCall Call, Guid? BookingId, Guid? ReservationId, Problem NotFound)
{
    /// <summary>Of the request: a shared transaction runs in no request's trace.</summary>
    public string? TraceParent { get; } = Instrumentation.TraceParent;
}

/// <summary>
/// Pays bookings, alone (<see cref="PaySql"/>) or many in one transaction (<see cref="SharedPaySql"/>). The core of <see cref="Pay"/>.
/// </summary>
internal sealed class BookingPayments(MySqlDatabase database, SharedTransactions shared)
{
    private readonly TransactionBatcher<BookingPayment, Outcome> _batcher =
        new("pay", shared, PayAsync, static payment => [(payment.Token.UserId, 0)]);

    /// <param name="LastHoldPaid">
    /// Paid by this request, and its user holds nothing else in this queue: the place is used up.
    /// </param>
    public sealed record Outcome(IResult Result, bool LastHoldPaid = false);

    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time.</exception>
    public Task<Outcome> PayAsync(BookingPayment payment)
    {
        var deadline = MySqlLimits.Request;
        return _batcher.RunAsync(payment, () => PayAloneAsync(payment, deadline), deadline);
    }

    private Task<Outcome> PayAloneAsync(BookingPayment payment, Deadline deadline) => database.RunAsync(
        async (connection, cancellationToken) =>
        {
            await using var command = PaySql.Procedure.Call(connection);
            payment.Call.AddTo(command);
            command.Parameters.AddWithValue("@queue", payment.Token.Queue);
            command.Parameters.AddWithValue("@named", payment.BookingId);
            command.Parameters.AddWithValue("@reservation", payment.ReservationId);
            command.Parameters.AddWithValue("@event", Guid.CreateVersion7());
            command.Parameters.AddWithValue("@traceparent", payment.TraceParent);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            var answer = await IdempotencySql.ReadAnswerAsync(reader, payment.Call, cancellationToken);
            await reader.NextResultAsync(cancellationToken);
            return Decide(answer, await reader.ReadAsync(cancellationToken) ? HoldRow.Read(reader) : null, payment);
        },
        CancellationToken.None, deadline);

    /// <param name="answer">From the key's row: this payment, an earlier one, or that the key was used with another body.</param>
    /// <param name="hold">The user's booking after the attempt; null when there is none.</param>
    private static Outcome Decide(IResult? answer, HoldRow? hold, BookingPayment payment) => (answer, hold) switch
    {
        (StoredAnswer { Replayed: false } paid, { UnpaidHolds: 0 }) => new(paid, LastHoldPaid: true),
        ({ } stored, _) => new(stored),
        (null, null) => new(payment.NotFound),
        (null, { Status: ReservationStatus.Confirmed }) => new(Problems.AlreadyPaid),
        (null, { Status: not ReservationStatus.Held } or { IsOverdue: true }) => new(Problems.HoldExpired),
        (null, { } held) when held.Queue != payment.Token.Queue => new(Problems.QueueTokenNotActive),
        _ => new(Problems.InsufficientPoints),
    };

    private static async Task<IReadOnlyList<Outcome?>> PayAsync(
        MySqlConnection connection, IReadOnlyList<BookingPayment> payments, CancellationToken cancellationToken)
    {
        List<SharedPayment> members = [.. payments.Select(static (payment, n) => SharedPayment.Of(n, payment))];
        await using var command = SharedSql.Call(
            SharedPaySql.Procedure, connection, members, SharedPaymentJson.Default.ListSharedPayment);
        return await SharedSql.ReadAsync(
            command, members.Count,
            static row => new Outcome(new StoredAnswer(row.GetString(1), Replayed: false), LastHoldPaid: row.GetInt64(2) == 0),
            cancellationToken);
    }
}

/// <summary>A member of the procedure's array. A reservation of a booking of one has its id; another is paid alone.</summary>
internal sealed record SharedPayment(
    int N, long User, string Queue, string Booking, string? Reservation, string Event, string? Traceparent, string Key, string Hash,
    string Attempt)
{
    public static SharedPayment Of(int n, BookingPayment payment) => new(
        n, payment.Token.UserId, payment.Token.Queue, $"{payment.BookingId ?? payment.ReservationId:N}",
        payment.ReservationId is { } reservation ? $"{reservation:N}" : null, $"{Guid.CreateVersion7():N}",
        payment.TraceParent, payment.Call.Key, Convert.ToHexString(payment.Call.BodyHash), $"{payment.Call.NewAttempt():N}");
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(List<SharedPayment>))]
internal sealed partial class SharedPaymentJson : JsonSerializerContext;
