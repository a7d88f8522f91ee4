using System.Text;
using ConcertBooking.Events.Outbox;
using ConcertBooking.Reservations;
using MySqlConnector;

namespace ConcertBooking.Bookings;

/// <summary>
/// Holds seats as one booking, all or none: one live reservation a seat, by the conditional UPDATE of the seat rows and the unique
/// column reservation.live. The core of <see cref="HoldBooking"/>, of <see cref="BestAvailableHolds"/> and of <see cref="HoldSeat"/>,
/// a booking of one. The SQL is in <see cref="SeatHoldSql"/>.
/// </summary>
internal sealed class SeatHolds(
    MySqlDatabase database, SharedHolds shared, HoldExpiry holds, HoldLimits limits, OutboxSignal outbox, Settings settings)
{
    /// <summary>Seats whose claims are no longer live are tried again; others may take them in between, so not for ever.</summary>
    private const int MaximumAttempts = 4;

    /// <param name="Answer">The refusal; null when the seats are the caller's.</param>
    /// <param name="Seats">
    /// As the last attempt left them, in the order of their numbers; empty when there is no such schedule, and where the key's answer
    /// says it all.
    /// </param>
    /// <param name="IsNew">This request made the booking, even if the answer of the attempt that did was lost.</param>
    /// <param name="Remembered">The answer of the idempotency key: this or an earlier booking, or that the key was reused.</param>
    public sealed record Outcome(
        Problem? Refusal, IReadOnlyList<SeatRow> Seats, bool IsNew = false, IResult? Remembered = null)
    {
        /// <summary>The user who has the first seat for more than a moment, where the answer depends on it.</summary>
        public long? LastingOwner => Seats is [{ Reservation: { } reservation }, ..] ? reservation.LastingOwner : null;
    }

    /// <summary>With an idempotency key once for it, whatever seats the other requests with that key ask for.</summary>
    /// <param name="deadline">For all attempts together; a request's when it is not given.</param>
    /// <exception cref="DatabaseUnavailableException">MySQL did not answer in time.</exception>
    public async Task<Outcome> HoldAsync(SeatHold hold, Deadline? deadline = null)
    {
        var until = deadline ?? MySqlLimits.Request;
        var outcome = await shared.RunAsync(hold, () => HoldAloneAsync(hold, until), until);
        if (outcome.Seats is [var only])
        {
            limits.Learn(hold.Token.UserId, hold.ScheduleId, only);
        }

        if (outcome is { Refusal: null, IsNew: true })
        {
            outbox.Set();
        }

        return outcome;
    }

    private async Task<Outcome> HoldAloneAsync(SeatHold hold, Deadline deadline)
    {
        var dead = new Dictionary<int, Guid>();
        IReadOnlyList<SeatRow> seats = [];
        for (var attempt = 0; attempt < MaximumAttempts; attempt++)
        {
            IResult? remembered;
            try
            {
                (remembered, seats) = await database.RunAsync(
                    (connection, cancellationToken) => TryAsync(connection, hold, dead, cancellationToken),
                    CancellationToken.None, deadline);
            }
            catch (MySqlException exception) when (exception.ErrorCode == MySqlErrorCode.DuplicateKeyEntry)
            {
                // A live reservation was written without the seat row; the schema's unique column refused a second one.
                return new(Problems.SeatTaken with { SeatNos = hold.SeatNos }, []);
            }

            if ((Decide(remembered, seats) ?? Decide(seats, hold)) is { } outcome)
            {
                return outcome;
            }

            await FreeDeadClaimsAsync(seats, dead, deadline);
        }

        return new(Taken(seats), seats);
    }

    /// <summary>Null when the key has no answer, or the call no key.</summary>
    private static Outcome? Decide(IResult? remembered, IReadOnlyList<SeatRow> seats) =>
        remembered is null ? null : new Outcome(null, seats, IsNew: remembered is StoredAnswer { Replayed: false }, remembered);

    /// <summary>Null when the seats can be tried again: what claims them, if anything, is no longer live.</summary>
    private static Outcome? Decide(IReadOnlyList<SeatRow> seats, SeatHold hold) => seats switch
    {
        [] => new(Problems.ScheduleNotFound, seats),
        [{ Reservation: { IsHeld: true } own }, ..] when own.UserId == hold.Token.UserId && AreOneBooking(seats, own.BookingId) =>
            new(null, seats, IsNew: hold.Made(own.BookingId)),
        [var any, ..] when any.Queue != hold.Token.Queue => new(Problems.QueueTokenNotActive, seats),
        _ when seats.Any(static seat => !seat.Exists) => new(Problems.SeatNotFound, seats),
        [{ Sale.Refusal: { } refusal }, ..] => new(refusal, seats),
        _ when seats.Any(static seat => seat.Reservation is { IsLive: true }) => new(Taken(seats), seats),
        [{ HasAllHolds: true }, ..] => new(Problems.HoldLimitReached, seats),
        [{ HasAllPurchases: true }, ..] => new(Problems.PurchaseLimitReached, seats),
        _ => null,
    };

    /// <summary>Whether these are all seats that the booking holds. One seat may be one of several: its reservation is asked for.</summary>
    private static bool AreOneBooking(IReadOnlyList<SeatRow> seats, Guid bookingId) =>
        (seats.Count == 1 || seats.Count == seats[0].Reservation!.SeatsHeld)
        && seats.All(seat => seat.Reservation is { IsHeld: true } reservation && reservation.BookingId == bookingId);

    /// <summary>Names the taken seats: those of a live reservation, or those that others have claimed and lost time after time.</summary>
    public static Problem Taken(IReadOnlyList<SeatRow> seats)
    {
        var taken = seats.Where(static seat => seat.Reservation is { IsLive: true }).ToList();
        taken = taken.Count > 0 ? taken : [.. seats.Where(static seat => seat.Claim is not null)];
        return Problems.SeatTaken with { SeatNos = [.. taken.Select(static seat => seat.SeatNo)] };
    }

    /// <summary>
    /// Expires overdue holds, which frees their seats, unless a payment that was under way came first: then the claim is alive. Other
    /// claims are known to be dead, and the next attempt may replace just these.
    /// </summary>
    private async Task FreeDeadClaimsAsync(IReadOnlyList<SeatRow> seats, Dictionary<int, Guid> dead, Deadline deadline)
    {
        var overdue = seats.Select(static seat => seat.Reservation).OfType<SeatReservation>()
            .Where(static reservation => reservation.IsOverdue).Select(static reservation => reservation.BookingId).Distinct().ToList();
        dead.Clear();
        foreach (var seat in seats.Where(static seat => seat is { Claim: not null, Reservation: not { IsOverdue: true } }))
        {
            dead[seat.SeatNo] = seat.Claim!.Value;
        }

        if (overdue.Count > 0)
        {
            await holds.ExpireAsync(overdue, deadline);
        }
    }

    private async Task<(IResult? Remembered, IReadOnlyList<SeatRow> Seats)> TryAsync(
        MySqlConnection connection, SeatHold hold, Dictionary<int, Guid> dead, CancellationToken cancellationToken)
    {
        var (bookingId, reservationIds) = hold.NewAttempt();
        var call = hold.Call;
        await using var command = (call is null ? SeatHoldSql.Hold : SeatHoldSql.HoldOnce).Call(connection);
        if (call is null)
        {
            command.Parameters.AddWithValue("@user", hold.Token.UserId);
        }
        else
        {
            call.AddTo(command);
            command.Parameters.AddWithValue("@extensionsLeft", settings.HoldExtensions);
        }

        command.Parameters.AddWithValue("@queue", hold.Token.Queue);
        command.Parameters.AddWithValue("@schedule", hold.ScheduleId);
        command.Parameters.AddWithValue("@seatCount", hold.SeatNos.Count);
        command.Parameters.AddWithValue("@seats", SeatsJson(hold.SeatNos, reservationIds, dead));
        command.Parameters.AddWithValue("@holdSeconds", (int)settings.Hold.TotalSeconds);
        command.Parameters.AddWithValue("@holdsPerUser", settings.HoldsPerUser);
        command.Parameters.AddWithValue("@purchasesPerUser", settings.PurchasesPerUser);
        BookingEvents.AddTo(command.Parameters, bookingId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        IResult? remembered = null;
        if (call is not null)
        {
            remembered = await IdempotencySql.ReadAnswerAsync(reader, call, cancellationToken);
            await reader.NextResultAsync(cancellationToken);
        }

        var seats = new List<SeatRow>(hold.SeatNos.Count);
        while (await reader.ReadAsync(cancellationToken))
        {
            seats.Add(SeatRow.Read(reader));
        }

        return (remembered, seats);
    }

    /// <summary>An object a seat: its number, the reservation to make, and the dead claim that may be replaced.</summary>
    private static string SeatsJson(IReadOnlyList<int> seatNos, IReadOnlyList<Guid> reservationIds, Dictionary<int, Guid> dead)
    {
        var json = new StringBuilder("[");
        for (var index = 0; index < seatNos.Count; index++)
        {
            var replaced = dead.TryGetValue(seatNos[index], out var claim) ? $",\"d\":\"{claim:N}\"" : "";
            json.Append(index == 0 ? "" : ",").Append($"{{\"n\":{seatNos[index]},\"r\":\"{reservationIds[index]:N}\"{replaced}}}");
        }

        return json.Append(']').ToString();
    }
}
