using System.Diagnostics;

namespace ConcertBooking.Bookings;

/// <summary>What is asked for: a number of seats, together or not, of a section, of a grade or of any.</summary>
internal sealed record SeatWish(int Count, bool Together, string? Section, string? Grade)
{
    /// <summary>Differs for different wishes; never changes, since idempotency keys are remembered with it.</summary>
    public string Text => $"{Count} {Together} {Section?.Length} {Section} {Grade?.Length} {Grade}";

    public bool Matches(HallRow row) =>
        (Section is null || row.Section == Section) && (Grade is null || row.Grade == Grade);
}

/// <summary>The outcome of a search.</summary>
/// <param name="SeatNos">Ascending; empty when there is no such place.</param>
/// <param name="FreeSeats">How many seats of the rows that were asked for are free, where there is no place.</param>
internal readonly record struct SeatChoice(IReadOnlyList<int> SeatNos, int FreeSeats = 0);

/// <summary>
/// This instance's picture of the seats of a schedule: which were free when MySQL was last asked, less those that searches of this
/// instance are about to take, or have seen taken since. It only proposes seats: the hold decides.
/// </summary>
internal sealed class SeatPicture
{
    private const int MaximumCandidates = 16;

    /// <summary>Marks a seat as about to be taken.</summary>
    private const long UnderWay = long.MaxValue;

    private readonly Lock _lock = new();

    /// <summary>Seats, by index, that are not free whatever MySQL reported before that moment.</summary>
    private readonly Dictionary<int, long> _marks = [];

    private int _searches;
    private bool[] _reported = [], _free = [];

    /// <summary>Null: not asked yet, or there is no such schedule.</summary>
    public SchedulePlan? Plan { get; private set; }

    /// <summary>When MySQL was asked for what is known now (a timestamp of <see cref="Stopwatch"/>); 0: never.</summary>
    public long ReportedAt { get; private set; }

    /// <summary>How many seats were taken then.</summary>
    public int TakenSeats { get; private set; }

    /// <summary>Replaces what is known.</summary>
    /// <param name="plan">Null when there is no such schedule.</param>
    /// <param name="isFree">By seat number minus 1; the picture keeps it.</param>
    /// <param name="takenSeats">How many are not free.</param>
    /// <param name="askedAt">When MySQL was asked: it knows what was marked before.</param>
    public void Report(SchedulePlan? plan, bool[] isFree, int takenSeats, long askedAt)
    {
        lock (_lock)
        {
            if (askedAt < ReportedAt)
            {
                return; // the answer to a question that nobody waits for any more
            }

            (Plan, ReportedAt, TakenSeats, _reported) = (plan, askedAt, takenSeats, isFree);
            _free = _free.Length == isFree.Length ? _free : new bool[isFree.Length];
            isFree.CopyTo(_free, 0);
            foreach (var (index, at) in _marks)
            {
                if (at < askedAt || index >= _free.Length)
                {
                    _marks.Remove(index);
                }
                else
                {
                    _free[index] = false;
                }
            }
        }
    }

    /// <summary>
    /// Chooses the best place and keeps it from other searches until <see cref="Settle"/>. In a crowd, that is while others of this
    /// instance are about to take seats or after lost races, it is one of the best places at random, so that instances do not send
    /// everybody to the same seats.
    /// </summary>
    /// <param name="losses">Races that this request has lost.</param>
    /// <param name="asReported">Seats that others are about to take count as free: whether they do is not known yet.</param>
    public SeatChoice Choose(SeatWish wish, int losses, bool asReported)
    {
        lock (_lock)
        {
            var rows = wish is { Section: null, Grade: null } ? Plan?.Rows ?? [] : Plan?.Rows.Where(wish.Matches).ToList() ?? [];
            var free = asReported ? _reported : _free;
            var places = Candidates(rows, free, wish, Random.Shared.Next(CandidatesFor(losses)) + 1);
            if (places.Count == 0)
            {
                return new([], rows.Sum(row => free.AsSpan(row.FirstSeatNo - 1, row.SeatCount).Count(true)));
            }

            List<int> seatNos = [.. places.SelectMany(static place => Enumerable.Range(place.FirstSeatNo, place.SeatCount)).Order()];
            foreach (var seatNo in seatNos)
            {
                (_free[seatNo - 1], _marks[seatNo - 1]) = (false, UnderWay);
            }

            _searches++;
            return new(seatNos);
        }
    }

    /// <summary>Ends what <see cref="Choose"/> began.</summary>
    /// <param name="seatNos">Those that were chosen.</param>
    /// <param name="taken">Those of them that are not free now, for whatever reason.</param>
    public void Settle(IReadOnlyList<int> seatNos, IReadOnlySet<int> taken)
    {
        lock (_lock)
        {
            _searches--;
            foreach (var seatNo in seatNos.Where(seatNo => seatNo <= _free.Length))
            {
                if (taken.Contains(seatNo))
                {
                    _marks[seatNo - 1] = Stopwatch.GetTimestamp();
                }
                else
                {
                    _marks.Remove(seatNo - 1);
                    _free[seatNo - 1] = _reported[seatNo - 1];
                }
            }
        }
    }

    private int CandidatesFor(int losses) =>
        _searches == 0 && losses == 0 ? 1 : Math.Min(MaximumCandidates, Math.Max(1, _searches) * 2 << losses);

    /// <summary>The n-th best place, where each is the best once those before it are taken; a random one where there are fewer.</summary>
    private static IReadOnlyList<Place> Candidates(IReadOnlyList<HallRow> rows, bool[] free, SeatWish wish, int n) =>
        BestAvailable.FindInOrder(rows, free, wish.Count).Take(n).ToList() switch
        {
            { Count: > 0 } places => [places.Count == n ? places[^1] : places[Random.Shared.Next(places.Count)]],
            _ when wish.Together => [],
            _ => BestAvailable.FindBlocks(rows, free, wish.Count),
        };
}
