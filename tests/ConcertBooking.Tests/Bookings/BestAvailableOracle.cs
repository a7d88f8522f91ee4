using ConcertBooking.Bookings;
using CsCheck;

namespace ConcertBooking.Tests.Bookings;

/// <summary>
/// The search for the best places against an oracle that tries every place of small random halls, written from the rule and not from
/// the search.
/// </summary>
public sealed class BestAvailableOracle
{
    private const int Rows = 4, Seats = 8, LongRow = 40, HallCount = 20_000;

    private sealed record Candidate(int First, int Count, bool LeavesSingle, double Distance);

    private static readonly Gen<((int Seats, int Depth)[] Rows, int Density, int[] Seats, int Count)> Hall = Halls(Seats);

    private static readonly Gen<((int Seats, int Depth)[] Rows, int Density, int[] Seats, int Count)> LongRows = Halls(LongRow);

    [Test]
    public void Find_AnyHall_IsNoWorseThanTheOracle() => Hall.Sample(
        (rows, density, seats, count) =>
        {
            var (hall, free) = Build(rows, density, seats);
            var found = BestAvailable.Find(hall, free, count);
            var best = Best(hall, free, count);

            ExpectSame(best, found, hall, free, count);
        },
        iter: HallCount);

    [Test]
    public void FindInOrder_LongRows_AreTheOraclesOneAfterTheOther() => LongRows.Sample(
        (rows, density, seats, count) =>
        {
            var (hall, free) = Build(rows, density, seats);
            var found = BestAvailable.FindInOrder(hall, free, count).Take(10).ToList();
            for (var index = 0; index < 10; index++)
            {
                var best = Best(hall, free, count);
                ExpectSame(best, index < found.Count ? found[index] : null, hall, free, count);
                if (best is null)
                {
                    break;
                }

                free.AsSpan(best.First - 1, count).Clear();
            }
        },
        iter: HallCount / 4);

    [Test]
    public void FindBlocks_AnyHall_AreThoseOfTheOracle() => Hall.Sample(
        (rows, density, seats, count) =>
        {
            var (hall, free) = Build(rows, density, seats);
            var before = free.ToArray();
            var found = BestAvailable.FindBlocks(hall, free, count);
            if (!before.SequenceEqual(free))
            {
                Assert.Fail("The search changed which seats are free.");
            }

            if (free.Count(static seat => seat) < count != (found.Count == 0))
            {
                Assert.Fail($"{count} seats of {free.Count(static seat => seat)}: {string.Join(", ", found)}");
            }

            // No division into fewer blocks: the longest runs are the fewest that have as many seats.
            var fewest = Runs(hall, free).OrderDescending().Select((_, index) => index + 1)
                .FirstOrDefault(blocks => Runs(hall, free).OrderDescending().Take(blocks).Sum() >= count);
            if (found.Count != fewest)
            {
                Assert.Fail($"{found.Count} blocks and not {fewest}: {string.Join(", ", found)}");
            }

            foreach (var block in found)
            {
                var size = Enumerable.Range(1, count).Last(size => Best(hall, free, size) is not null);
                ExpectSame(Best(hall, free, size), block, hall, free, size);
                free.AsSpan(block.FirstSeatNo - 1, block.SeatCount).Clear();
                count -= block.SeatCount;
            }
        },
        iter: HallCount);

    [Test]
    [Arguments("..........", 3, 4)] // the middle, and of two the lower numbers
    [Arguments(".....", 3, 1)] // the middle would leave a single seat at each side
    [Arguments("....", 3, 1)] // cannot be had without a single seat
    [Arguments("..x....", 2, 4)] // seats 5 and 6 would leave 4 and 7 alone
    [Arguments("xx.x..xx", 1, 3)] // a seat that is alone already
    [Arguments("xxx..xxx", 3, 0)]
    public async Task Find_OneRow_HasThePlaceOfTheRule(string seats, int count, int firstSeatNo)
    {
        var free = seats.Select(static seat => seat == '.').ToArray();
        var found = BestAvailable.Find([new HallRow(1, free.Length, Depth: 0)], free, count);

        await Assert.That(found?.FirstSeatNo ?? 0).IsEqualTo(firstSeatNo);
    }

    /// <summary>Rows as seats and depth; a number a seat, which is free when it is below the density.</summary>
    private static Gen<((int Seats, int Depth)[] Rows, int Density, int[] Seats, int Count)> Halls(int seats) => Gen.Select(
        Gen.Select(Gen.Int[1, seats], Gen.Int[0, Rows - 1]).Array[1, Rows], Gen.Int[1, 10], Gen.Int[0, 9].Array[Rows * seats],
        Gen.Int[1, 5]);

    private static (HallRow[] Hall, bool[] Free) Build((int Seats, int Depth)[] rows, int density, int[] seats)
    {
        var hall = rows.Select((row, index) =>
            new HallRow(1 + rows.Take(index).Sum(static before => before.Seats), row.Seats, row.Depth)).OrderBy(static row => row.Depth);
        return ([.. hall], [.. seats.Take(rows.Sum(static row => row.Seats)).Select(seat => seat < density)]);
    }

    private static Candidate? Best(HallRow[] hall, bool[] free, int count) => hall
        .SelectMany(row => Enumerable.Range(0, row.SeatCount).Select(first => Try(row, free, first, count)))
        .OfType<Candidate>()
        .OrderBy(static place => place.LeavesSingle).ThenBy(static place => place.Distance).ThenBy(static place => place.First)
        .FirstOrDefault();

    private static Candidate? Try(HallRow row, bool[] free, int first, int count)
    {
        var seats = free.Skip(row.FirstSeatNo - 1).Take(row.SeatCount).ToArray();
        if (first + count > seats.Length || seats.Skip(first).Take(count).Contains(false))
        {
            return null;
        }

        var left = seats.Select((seat, index) => seat && (index < first || index >= first + count)).ToArray();
        var leavesSingle = Enumerable.Range(0, left.Length).Any(index => IsAlone(left, index) && !IsAlone(seats, index));
        var (aside, depth) = (first + (count / 2.0) - (row.SeatCount / 2.0), (double)row.Depth);
        return new(row.FirstSeatNo + first, count, leavesSingle, (aside * aside) + (depth * depth));
    }

    private static bool IsAlone(bool[] seats, int index) =>
        seats[index] && !(index > 0 && seats[index - 1]) && !(index + 1 < seats.Length && seats[index + 1]);

    /// <summary>The lengths of all free runs.</summary>
    private static IEnumerable<int> Runs(HallRow[] hall, bool[] free) => hall.SelectMany(row =>
        string.Concat(free.Skip(row.FirstSeatNo - 1).Take(row.SeatCount).Select(static seat => seat ? '.' : 'x'))
            .Split('x', StringSplitOptions.RemoveEmptyEntries)).Select(static run => run.Length);

    private static void ExpectSame(Candidate? best, Place? found, HallRow[] hall, bool[] free, int count)
    {
        if ((best?.First, best?.Count) != (found?.FirstSeatNo, found?.SeatCount))
        {
            var rows = hall.Select(row => $"{row.Depth}: {string.Concat(
                free.Skip(row.FirstSeatNo - 1).Take(row.SeatCount).Select(static seat => seat ? '.' : 'x'))}");
            Assert.Fail($"{count} seats: {found} and not {best} in\n{string.Join('\n', rows)}");
        }
    }
}
