using System.Collections.Concurrent;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>What a group that got its seats does with them.</summary>
internal enum GroupEnd
{
    Refused,
    Left,
    Paid,
    Released,
    OneTakenOut,
    OneTakenOutAndPaid,
}

/// <summary>
/// One user who wants seats side by side. What it is about to ask is written down before the request is sent, and what it was told
/// once the answer is there, so that whoever reads the tables at any moment can compare.
/// </summary>
internal sealed class Group(Visitor visitor, int size, bool bySeat, int seed)
{
    private readonly Random _random = new(seed);
    private readonly ConcurrentDictionary<string, bool> _asked = new(); // by seats: whether a request for them got no answer

    public Visitor Visitor { get; } = visitor;

    public int Size { get; } = size;

    public GroupEnd End { get; set; }

    /// <summary>Null: none was won.</summary>
    public Guid? BookingId { get; set; }

    /// <summary>Those of the booking that was won.</summary>
    public IReadOnlyList<int> Seats { get; set; } = [];

    /// <summary>The seat that is taken out of the booking; 0 for none.</summary>
    public int TakenOut { get; set; }

    /// <summary>Seats side by side, anywhere.</summary>
    public List<int> Pick(int seatCount)
    {
        var first = _random.Next(1, seatCount - Size + 2);
        List<int> seats = [.. Enumerable.Range(first, Size)];
        _asked.TryAdd(Key(seats), false);
        return seats;
    }

    /// <summary>Most pay.</summary>
    public GroupEnd PickEnd() => _random.Next(100) switch
    {
        < 60 => GroupEnd.Paid,
        < 75 => GroupEnd.Released,
        < 82 when Size > 1 => GroupEnd.OneTakenOut,
        < 90 when Size > 1 => GroupEnd.OneTakenOutAndPaid,
        _ => GroupEnd.Left,
    };

    public int PickOneOf(IReadOnlyList<int> seats) => seats[_random.Next(seats.Count)];

    /// <summary>One seat as a reservation or as a booking of one, which must be the same.</summary>
    public Task<Reply> HoldAsync(Show show, IReadOnlyList<int> seats) =>
        bySeat ? Visitor.HoldAsync(show, seats[0]) : Visitor.HoldTogetherAsync(show, seats);

    /// <summary>The seats that an answer to a hold says are held.</summary>
    public IEnumerable<int> SeatsOf(Reply held) =>
        bySeat ? [(int)held.Number("seatNo")] : held.Items("seats").Select(static seat => (int)seat.Number("seatNo"));

    public bool HasAsked(IEnumerable<int> seats) => _asked.ContainsKey(Key(seats));

    /// <summary>A request for these seats may be carried out still, after its user has gone on.</summary>
    public void GotNoAnswer(IEnumerable<int> seats) => _asked[Key(seats)] = true;

    public bool MayHold(IEnumerable<int> seats) => _asked.TryGetValue(Key(seats), out var unanswered) && unanswered;

    public bool MayHoldMore => _asked.Values.Any(static unanswered => unanswered);

    private static string Key(IEnumerable<int> seats) => string.Join(',', seats.Order());
}
