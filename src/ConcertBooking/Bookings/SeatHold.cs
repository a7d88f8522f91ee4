using ConcertBooking.Queue;

namespace ConcertBooking.Bookings;

/// <summary>A request to hold seats, with what its attempts need to recognize each other's effect.</summary>
/// <param name="SeatNos">Ascending, each once.</param>
/// <param name="Call">Of a hold with an idempotency key; else null.</param>
internal sealed record SeatHold(QueueToken Token, long ScheduleId, IReadOnlyList<int> SeatNos, IdempotentCall? Call)
{
    private readonly List<Guid> _attempts = new(1);

    /// <summary>Of the request: a shared transaction runs in no request's trace.</summary>
    public string? TraceParent { get; } = Instrumentation.TraceParent;

    /// <summary>The rows that no other member of a shared transaction may want: its user, written as a seat 0, and its seats.</summary>
    public IReadOnlyList<(long, long)> Keys { get; } = [(Token.UserId, 0), .. SeatNos.Select(seatNo => (ScheduleId, (long)seatNo))];

    /// <summary>
    /// The ids of what an attempt would make. Reservations ascend like the seats, so that every statement locks both in one
    /// order. A booking of one has its reservation's id.
    /// </summary>
    public (Guid Booking, IReadOnlyList<Guid> Reservations) NewAttempt()
    {
        var reservations = SeatNos.Select(static _ => Guid.CreateVersion7()).Order().ToList();
        var booking = reservations is [var only] ? only : Guid.CreateVersion7();
        _attempts.Add(booking);
        return (booking, reservations);
    }

    /// <summary>Whether an attempt of this request made the booking, even if its answer was lost.</summary>
    public bool Made(Guid bookingId) => _attempts.Contains(bookingId);
}
