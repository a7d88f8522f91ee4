namespace ConcertBooking.Bookings;

/// <summary>A row of a hall, whose seats lie side by side and are numbered one after the other.</summary>
/// <param name="FirstSeatNo">Its seat numbers begin here; 1 is the schedule's first.</param>
/// <param name="SeatCount">How many seats it has.</param>
/// <param name="Depth">Rows before it in its section: 0 is the front.</param>
/// <param name="Section">Empty where the schedule has no hall, as the grade is.</param>
/// <param name="Grade">Of all its seats.</param>
internal readonly record struct HallRow(int FirstSeatNo, int SeatCount, int Depth, string Section = "", string Grade = "");

/// <summary>Seats side by side in one row.</summary>
/// <param name="LeavesSingle">A seat beside it would be free with no free neighbour, which nobody who comes in company would take.</param>
/// <param name="Distance">From the middle of the front row, squared, in half seats: rows count as seats.</param>
internal readonly record struct Place(int FirstSeatNo, int SeatCount, bool LeavesSingle, long Distance) : IComparable<Place>
{
    public int CompareTo(Place other) =>
        (LeavesSingle, Distance, FirstSeatNo).CompareTo((other.LeavesSingle, other.Distance, other.FirstSeatNo));
}

/// <summary>
/// Best-fit search for seats of people who come together: a pure function of the rows and of which seats are free. It reads free
/// runs rather than seats, and nothing that cannot be better than what it has found, so that a hall of 100,000 seats costs
/// microseconds.
/// </summary>
internal static class BestAvailable
{
    /// <summary>Two starts of a run at most leave a single seat, so a better one is no farther from the best than this.</summary>
    private const int Window = 3;

    /// <summary>What is known before a search: no place is better than this.</summary>
    private readonly record struct Bound(bool LeavesSingle, long Distance);

    /// <summary>
    /// The best place: one that leaves no single seat if there is any, of those the nearest to the front and the middle, of those the
    /// one with the lowest seat numbers.
    /// </summary>
    /// <param name="rows">Those that are asked for, the front ones first.</param>
    /// <param name="isFree">By seat number minus 1.</param>
    /// <param name="count">Seats of the place, 1 or more.</param>
    /// <returns>Null when no row has as many free seats side by side.</returns>
    public static Place? Find(IReadOnlyList<HallRow> rows, ReadOnlySpan<bool> isFree, int count) =>
        Find(rows, isFree, count, default)?.Place;

    /// <summary>
    /// The best place, the best once that is taken, and so on. Each search begins where the one before it ended: only what is left
    /// of the run that it took from can be better.
    /// </summary>
    /// <param name="rows">As of <see cref="Find(IReadOnlyList{HallRow}, ReadOnlySpan{bool}, int)"/>.</param>
    /// <param name="isFree">The same; changed during the search, and restored.</param>
    /// <param name="count">The same.</param>
    /// <param name="most">How many places are enough.</param>
    public static IReadOnlyList<Place> FindSeveral(IReadOnlyList<HallRow> rows, Span<bool> isFree, int count, int most)
    {
        var (places, bound) = (new List<Place>(most), default(Bound));
        while (places.Count < most && Find(rows, isFree, count, bound) is var (place, row))
        {
            places.Add(place);
            Set(isFree, place, value: false);
            var seats = isFree.Slice(row.FirstSeatNo - 1, row.SeatCount);
            var first = place.FirstSeatNo - row.FirstSeatNo;
            var rest = Better(null, row, StartOfRun(seats, first), first, count);
            rest = Better(rest, row, first + count, EndOfRun(seats, first + count), count);
            var best = rest is { } left && left.CompareTo(place) < 0 ? left : place;
            bound = new(best.LeavesSingle, best.Distance);
        }

        foreach (var place in places)
        {
            Set(isFree, place, value: true);
        }

        return places;
    }

    private static (Place Place, HallRow Row)? Find(IReadOnlyList<HallRow> rows, ReadOnlySpan<bool> isFree, int count, Bound bound)
    {
        Place? best = null;
        HallRow bestRow = default;
        foreach (var row in rows)
        {
            if (IsBeyond(best, bound, OfDepth(row)))
            {
                break; // not even the middle of this row, or of one behind it, is as near
            }

            if (row.SeatCount < count || Distance(row, 0, count) < bound.Distance)
            {
                continue; // not even its ends are as far
            }

            var found = FindIn(row, isFree.Slice(row.FirstSeatNo - 1, row.SeatCount), count, bound, best);
            (best, bestRow) = found == best ? (best, bestRow) : (found, row);
        }

        // Nearer than the bound there may be places that leave a single seat: second to any that do not.
        return best is not { LeavesSingle: false } && bound is { LeavesSingle: false, Distance: > 0 }
            ? Find(rows, isFree, count, new(LeavesSingle: true, 0))
            : best is { } place ? (place, bestRow) : null;
    }

    /// <summary>
    /// The better of the best so far and the best of a row. From the middle to the right, then to the left, beginning at the bound,
    /// each until no place can be as near as the best.
    /// </summary>
    private static Place? FindIn(HallRow row, ReadOnlySpan<bool> seats, int count, Bound bound, Place? best)
    {
        var last = row.SeatCount - count;
        var middle = last / 2;
        var aside = (int)Math.Ceiling(Math.Sqrt(Math.Max(0, bound.Distance - OfDepth(row))));
        var right = Math.Min((last + aside + 1) / 2, row.SeatCount);
        var start = StartOfRun(seats, right);
        for (var (from, to) = NextRun(seats, start); from < to; (from, to) = NextRun(seats, to))
        {
            if (IsBeyond(best, bound, Distance(row, Math.Max(from, middle), count)))
            {
                break;
            }

            best = Better(best, row, from, to, count);
        }

        var left = aside > last ? 0 : (last - aside) / 2;
        var end = left < start ? EndOfRun(seats, left) : start;
        for (var (from, to) = PreviousRun(seats, end); from < to; (from, to) = PreviousRun(seats, from))
        {
            if (IsBeyond(best, bound, Distance(row, Math.Min(to - count, middle), count)))
            {
                break;
            }

            best = Better(best, row, from, to, count);
        }

        return best;
    }

    /// <summary>
    /// The best places for a group that may be divided: together where that can be had, else in as few blocks as possible. Each
    /// block is as large as the longest free run allows, and the best of its size by <see cref="Find"/>.
    /// </summary>
    /// <param name="rows">As of <see cref="Find"/>.</param>
    /// <param name="isFree">As of <see cref="Find"/>; changed during the search, and restored.</param>
    /// <param name="count">Seats of all blocks.</param>
    /// <returns>Empty when there are not as many free seats.</returns>
    public static IReadOnlyList<Place> FindBlocks(IReadOnlyList<HallRow> rows, Span<bool> isFree, int count)
    {
        var blocks = new List<Place>(1);
        while (count > 0 && Find(rows, isFree, Math.Min(count, LongestRun(rows, isFree, count))) is { } block)
        {
            blocks.Add(block);
            Set(isFree, block, value: false);
            count -= block.SeatCount;
        }

        foreach (var block in blocks)
        {
            Set(isFree, block, value: true);
        }

        return count == 0 ? blocks : [];
    }

    /// <summary>The length of the longest free run, or any that is long enough; 1 when no seat is free.</summary>
    private static int LongestRun(IReadOnlyList<HallRow> rows, ReadOnlySpan<bool> isFree, int enough)
    {
        var longest = 1;
        foreach (var row in rows)
        {
            var seats = isFree.Slice(row.FirstSeatNo - 1, row.SeatCount);
            for (var (from, to) = NextRun(seats, 0); from < to; (from, to) = NextRun(seats, to))
            {
                longest = Math.Max(longest, to - from);
                if (longest >= enough)
                {
                    return longest;
                }
            }
        }

        return longest;
    }

    /// <summary>The next free run of a row: from its first seat to the one after its last; empty when there is none.</summary>
    private static (int From, int To) NextRun(ReadOnlySpan<bool> seats, int start)
    {
        var from = seats[start..].IndexOf(true) is >= 0 and var skipped ? start + skipped : seats.Length;
        return (from, EndOfRun(seats, from));
    }

    /// <summary>The last free run before a seat that is not free; empty when there is none.</summary>
    private static (int From, int To) PreviousRun(ReadOnlySpan<bool> seats, int end)
    {
        var to = seats[..end].LastIndexOf(true) + 1;
        return (StartOfRun(seats, to), to);
    }

    /// <summary>Where the free run begins that ends before a seat.</summary>
    private static int StartOfRun(ReadOnlySpan<bool> seats, int end) => seats[..end].LastIndexOf(false) + 1;

    /// <summary>Where the free run ends that begins with a seat: the one after its last.</summary>
    private static int EndOfRun(ReadOnlySpan<bool> seats, int start) =>
        seats[start..].IndexOf(false) is >= 0 and var length ? start + length : seats.Length;

    private static void Set(Span<bool> isFree, Place place, bool value) =>
        isFree.Slice(place.FirstSeatNo - 1, place.SeatCount).Fill(value);

    /// <summary>Whether the best is better than any place at that distance, or farther.</summary>
    private static bool IsBeyond(Place? best, Bound bound, long distance) =>
        best is { } found && (!found.LeavesSingle || bound.LeavesSingle) && found.Distance < distance;

    /// <summary>The better of the best so far and the best of a free run.</summary>
    private static Place? Better(Place? best, HallRow row, int from, int to, int count)
    {
        var last = to - count;
        if (last < from)
        {
            return best;
        }

        var middle = Math.Clamp((row.SeatCount - count) / 2, from, last);
        for (var first = Math.Max(from, middle - Window); first <= Math.Min(last, middle + Window); first++)
        {
            var place = new Place(
                row.FirstSeatNo + first, count, LeavesSingle: first - from == 1 || last - first == 1, Distance(row, first, count));
            if (best is null || place.CompareTo(best.Value) < 0)
            {
                best = place;
            }
        }

        return best;
    }

    private static long Distance(HallRow row, int first, int count)
    {
        var aside = (2L * first) + count - row.SeatCount;
        return (aside * aside) + OfDepth(row);
    }

    /// <summary>The distance of a place in the middle of a row.</summary>
    private static long OfDepth(HallRow row) => 4L * row.Depth * row.Depth;
}
