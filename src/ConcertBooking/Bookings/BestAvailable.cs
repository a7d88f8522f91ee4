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

/// <summary>Finds the best places for people who come together: a pure function of the rows and of which seats are free.</summary>
internal static class BestAvailable
{
    /// <summary>
    /// The best places, best first: those that leave no single seat come first, then the nearest to the front and the middle.
    /// </summary>
    /// <param name="rows">The rows that are asked for, in any order.</param>
    /// <param name="isFree">By seat number minus 1.</param>
    /// <param name="count">Seats of the place, 1 or more.</param>
    /// <param name="limit">Places to return at most; two of them may overlap.</param>
    public static IReadOnlyList<Place> Find(IReadOnlyList<HallRow> rows, ReadOnlySpan<bool> isFree, int count, int limit)
    {
        var best = new PriorityQueue<Place, Place>(Comparer<Place>.Create(static (one, other) => other.CompareTo(one)));
        foreach (var row in rows)
        {
            var seats = isFree.Slice(row.FirstSeatNo - 1, row.SeatCount);
            for (var from = 0; from < seats.Length;)
            {
                if (!seats[from])
                {
                    from++;
                    continue;
                }

                var to = from + 1;
                while (to < seats.Length && seats[to])
                {
                    to++;
                }

                for (var first = from; first + count <= to; first++)
                {
                    var place = new Place(
                        row.FirstSeatNo + first, count, first - from == 1 || to - first - count == 1,
                        Distance(row, first, count));
                    if (best.Count < limit)
                    {
                        best.Enqueue(place, place);
                    }
                    else
                    {
                        best.EnqueueDequeue(place, place); // drops the worst
                    }
                }

                from = to;
            }
        }

        var places = new Place[best.Count];
        for (var index = places.Length - 1; index >= 0; index--)
        {
            places[index] = best.Dequeue();
        }

        return places;
    }

    private static long Distance(HallRow row, int first, int count)
    {
        var (aside, depth) = ((long)(2 * first) + count - row.SeatCount, 2L * row.Depth);
        return (aside * aside) + (depth * depth);
    }
}
