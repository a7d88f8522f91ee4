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
internal readonly record struct Place(int FirstSeatNo, int SeatCount, bool LeavesSingle, long Distance)
{
    /// <summary>The lower the better: no single seat left, then the distance, then the number of the first seat (at most 2^20).</summary>
    public long Rank => (LeavesSingle ? 1L << 62 : 0) + (Distance << 20) + FirstSeatNo;
}

/// <summary>
/// Best-first search for seats of people who come together: a pure function of the rows and of which seats are free. It keeps a queue
/// of places and of parts of rows that it has not read, each ranked by the best place that it could have, and reads a part only when
/// no place is better; so a search in a hall of 100,000 seats costs microseconds.
/// </summary>
internal static class BestAvailable
{
    /// <summary>Two starts of a run at most leave a single seat, so a better one is no farther from the best than this.</summary>
    private const int Window = 3;

    private enum PartKind
    {
        /// <summary>This row and those behind it.</summary>
        Rows,

        /// <summary>What is left of a row from a seat on.</summary>
        Right,

        /// <summary>What is left of a row before a seat.</summary>
        Left,

        /// <summary>A free run, ranked by its best place.</summary>
        Run,
    }

    /// <param name="Row">Its index.</param>
    /// <param name="From">By seat number of the row minus 1, as <paramref name="To"/>, which is not included.</param>
    private readonly record struct Part(PartKind Kind, int Row, int From = 0, int To = 0);

    /// <summary>
    /// The best place: one that leaves no single seat if there is any, of those the nearest to the front and the middle, of those the
    /// one with the lowest seat numbers.
    /// </summary>
    /// <param name="rows">Those that are asked for, the front ones first.</param>
    /// <param name="isFree">By seat number minus 1.</param>
    /// <param name="count">Seats of the place, 1 or more.</param>
    /// <returns>Null when no row has as many free seats side by side.</returns>
    public static Place? Find(IReadOnlyList<HallRow> rows, bool[] isFree, int count) =>
        FindInOrder(rows, isFree, count).Take(1).ToList() is [var place] ? place : null;

    /// <summary>The best place, the best once that is taken, and so on, each searched for when it is asked for.</summary>
    /// <param name="rows">As of <see cref="Find"/>.</param>
    /// <param name="isFree">The same; must not change meanwhile.</param>
    /// <param name="count">The same.</param>
    public static IEnumerable<Place> FindInOrder(IReadOnlyList<HallRow> rows, bool[] isFree, int count)
    {
        var queue = new PriorityQueue<Part, long>();
        var wanted = Enumerable.Repeat(true, count).ToArray();
        if (rows.Count > 0)
        {
            AddRows(0);
        }

        while (queue.TryDequeue(out var part, out _))
        {
            var row = rows[part.Row];
            switch (part.Kind)
            {
                case PartKind.Rows:
                    AddRows(part.Row);
                    break;
                case PartKind.Run:
                    var best = Best(row, part.From, part.To, count)!.Value;
                    yield return best;
                    var first = best.FirstSeatNo - row.FirstSeatNo;
                    AddRun(part.Row, part.From, first);
                    AddRun(part.Row, first + count, part.To);
                    break;
                default:
                    Read(part);
                    break;
            }
        }

        // All rows of a depth; those behind them are another part.
        void AddRows(int index)
        {
            for (var depth = rows[index].Depth; index < rows.Count && rows[index].Depth == depth; index++)
            {
                var row = rows[index];
                if (row.SeatCount >= count)
                {
                    var start = StartOfRun(Seats(row), Middle(row, count));
                    Read(new(PartKind.Right, index, From: start));
                    Read(new(PartKind.Left, index, To: start));
                }
            }

            if (index < rows.Count)
            {
                queue.Enqueue(new(PartKind.Rows, index), Unread(OfDepth(rows[index])));
            }
        }

        void AddRun(int index, int from, int to)
        {
            if (Best(rows[index], from, to, count) is { } place)
            {
                queue.Enqueue(new(PartKind.Run, index, from, to), place.Rank);
            }
        }

        // Reads a part up to its next run that is long enough; the rest is another part.
        void Read(Part part)
        {
            var row = rows[part.Row];
            var seats = Seats(row);
            var isRight = part.Kind == PartKind.Right;
            var (from, to) = isRight ? NextRun(seats, part.From, wanted) : PreviousRun(seats, part.To, wanted);
            AddRun(part.Row, from, to);
            var nearest = isRight ? Math.Max(to, Middle(row, count)) : Math.Min(from - count, Middle(row, count));
            if (from < to && nearest >= 0 && nearest + count <= row.SeatCount)
            {
                queue.Enqueue(isRight ? part with { From = to } : part with { To = from }, Unread(Distance(row, nearest, count)));
            }
        }

        ReadOnlySpan<bool> Seats(HallRow row) => isFree.AsSpan(row.FirstSeatNo - 1, row.SeatCount);
    }

    /// <summary>The rank of what may have a place at that distance: before all places there.</summary>
    private static long Unread(long distance) => new Place(FirstSeatNo: 0, SeatCount: 0, LeavesSingle: false, distance).Rank;

    /// <summary>
    /// The best places for a group that may be divided: together where that can be had, else in as few blocks as possible. Each
    /// block is as large as the longest free run allows, and the best of its size by <see cref="Find"/>.
    /// </summary>
    /// <param name="rows">As of <see cref="Find"/>.</param>
    /// <param name="isFree">As of <see cref="Find"/>; changed during the search, and restored.</param>
    /// <param name="count">Seats of all blocks.</param>
    /// <returns>Empty when there are not as many free seats.</returns>
    public static IReadOnlyList<Place> FindBlocks(IReadOnlyList<HallRow> rows, bool[] isFree, int count)
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
    private static int LongestRun(IReadOnlyList<HallRow> rows, bool[] isFree, int enough)
    {
        var longest = 1;
        foreach (var row in rows)
        {
            var seats = isFree.AsSpan(row.FirstSeatNo - 1, row.SeatCount);
            for (var (from, to) = NextRun(seats, 0, [true]); from < to; (from, to) = NextRun(seats, to, [true]))
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

    /// <summary>
    /// The next free run of a row that has the wanted seats: from its first seat to the one after its last; empty when there is none.
    /// </summary>
    /// <param name="start">Where no run is divided: the edge of one, or a seat that is not free.</param>
    private static (int From, int To) NextRun(ReadOnlySpan<bool> seats, int start, ReadOnlySpan<bool> wanted)
    {
        var from = seats[start..].IndexOf(wanted) is >= 0 and var skipped ? start + skipped : seats.Length;
        return (from, EndOfRun(seats, from));
    }

    /// <summary>The last one before a seat.</summary>
    /// <param name="end">As the start of <see cref="NextRun"/>.</param>
    private static (int From, int To) PreviousRun(ReadOnlySpan<bool> seats, int end, ReadOnlySpan<bool> wanted) =>
        seats[..end].LastIndexOf(wanted) is >= 0 and var last ? (StartOfRun(seats, last), last + wanted.Length) : (0, 0);

    /// <summary>Where the free run begins that ends before a seat.</summary>
    private static int StartOfRun(ReadOnlySpan<bool> seats, int end) => seats[..end].LastIndexOf(false) + 1;

    /// <summary>Where the free run ends that begins with a seat: the one after its last.</summary>
    private static int EndOfRun(ReadOnlySpan<bool> seats, int start) =>
        seats[start..].IndexOf(false) is >= 0 and var length ? start + length : seats.Length;

    private static void Set(bool[] isFree, Place place, bool value) =>
        isFree.AsSpan(place.FirstSeatNo - 1, place.SeatCount).Fill(value);

    /// <summary>The best place of a free run.</summary>
    private static Place? Best(HallRow row, int from, int to, int count)
    {
        var last = to - count;
        if (last < from)
        {
            return null;
        }

        Place? best = null;
        var middle = Math.Clamp(Middle(row, count), from, last);
        for (var first = Math.Max(from, middle - Window); first <= Math.Min(last, middle + Window); first++)
        {
            var place = new Place(
                row.FirstSeatNo + first, count, LeavesSingle: first - from == 1 || last - first == 1, Distance(row, first, count));
            if (best is null || place.Rank < best.Value.Rank)
            {
                best = place;
            }
        }

        return best;
    }

    /// <summary>Where the place in the middle of a row begins; of two the left one.</summary>
    private static int Middle(HallRow row, int count) => (row.SeatCount - count) / 2;

    private static long Distance(HallRow row, int first, int count)
    {
        var aside = (2L * first) + count - row.SeatCount;
        return (aside * aside) + OfDepth(row);
    }

    /// <summary>The distance of a place in the middle of a row.</summary>
    private static long OfDepth(HallRow row) => 4L * row.Depth * row.Depth;
}
