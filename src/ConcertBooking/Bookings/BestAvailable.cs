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

    /// <summary>
    /// The best place: one that leaves no single seat if there is any, of those the nearest to the front and the middle, of those the
    /// one with the lowest seat numbers.
    /// </summary>
    /// <param name="rows">Those that are asked for, the front ones first.</param>
    /// <param name="isFree">By seat number minus 1.</param>
    /// <param name="count">Seats of the place, 1 or more.</param>
    /// <returns>Null when no row has as many free seats side by side.</returns>
    public static Place? Find(IReadOnlyList<HallRow> rows, ReadOnlySpan<bool> isFree, int count)
    {
        Place? best = null;
        foreach (var row in rows)
        {
            if (best is { LeavesSingle: false, Distance: var found } && found < 4L * row.Depth * row.Depth)
            {
                break; // not even the middle of this row, or of one behind it, is as near
            }

            // From the middle to the right, then to the left, each until no place can be as near as the best.
            var middle = (row.SeatCount - count) / 2;
            if (row.SeatCount < count || IsBeyond(best, row, middle, count))
            {
                continue;
            }

            var seats = isFree.Slice(row.FirstSeatNo - 1, row.SeatCount);
            var start = seats[..middle].LastIndexOf(false) + 1; // of the run around the middle
            for (var (from, to) = NextRun(seats, start); from < to; (from, to) = NextRun(seats, to))
            {
                if (IsBeyond(best, row, Math.Max(from, middle), count))
                {
                    break;
                }

                best = Better(best, row, from, to, count);
            }

            for (var (from, to) = PreviousRun(seats, start); from < to; (from, to) = PreviousRun(seats, from))
            {
                if (IsBeyond(best, row, Math.Min(to - count, middle), count))
                {
                    break;
                }

                best = Better(best, row, from, to, count);
            }
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
            isFree.Slice(block.FirstSeatNo - 1, block.SeatCount).Clear();
            count -= block.SeatCount;
        }

        foreach (var block in blocks)
        {
            isFree.Slice(block.FirstSeatNo - 1, block.SeatCount).Fill(true);
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
        var to = seats[from..].IndexOf(false) is >= 0 and var length ? from + length : seats.Length;
        return (from, to);
    }

    /// <summary>The last free run before a seat that is not free; empty when there is none.</summary>
    private static (int From, int To) PreviousRun(ReadOnlySpan<bool> seats, int end)
    {
        var to = seats[..end].LastIndexOf(true) + 1;
        return (seats[..to].LastIndexOf(false) + 1, to);
    }

    /// <summary>Whether a place there, or farther from the middle, is worse than the best even if it leaves no single seat.</summary>
    private static bool IsBeyond(Place? best, HallRow row, int first, int count) =>
        best is { LeavesSingle: false, Distance: var distance } && distance < Distance(row, first, count);

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
        var (aside, depth) = ((2L * first) + count - row.SeatCount, 2L * row.Depth);
        return (aside * aside) + (depth * depth);
    }
}
