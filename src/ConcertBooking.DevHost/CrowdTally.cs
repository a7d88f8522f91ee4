using System.Diagnostics;

namespace ConcertBooking.DevHost;

/// <summary>Where the buyers of a crowd are, and what became of them. Thread-safe.</summary>
internal sealed class CrowdTally(int size)
{
    private readonly Lock _gate = new();
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly List<TimeSpan> _waits = [];
    private readonly List<string> _faults = [];
    private int _entered, _waited, _inLine, _admitted, _unserved, _foundNothing, _beaten;
    private int _seatsHeld, _seatsSold, _paid, _released, _wentAway, _seatsLeft;

    /// <summary>A buyer met something that none should.</summary>
    public bool HasFaults => _faults.Count > 0;

    /// <param name="mustWait">It was not admitted at once.</param>
    public void Enter(bool mustWait) => Change(() =>
    {
        (_entered, _inLine) = (_entered + 1, _inLine + 1);
        _waited += mustWait ? 1 : 0;
    });

    /// <param name="waited">Null where the buyer was admitted at once.</param>
    public void Admit(TimeSpan? waited) => Change(() =>
    {
        (_inLine, _admitted) = (_inLine - 1, _admitted + 1);
        if (waited is { } time)
        {
            _waits.Add(time);
        }
    });

    /// <summary>The buyer gave its place in the line up before its turn.</summary>
    public void LeaveLine() => Change(() => _inLine--);

    public void Leave() => Change(() => _admitted--);

    public void Hold(int seats) => Change(() => _seatsHeld += seats);

    public void Pay(int seats) => Change(() => (_seatsHeld, _seatsSold, _paid) = (_seatsHeld - seats, _seatsSold + seats, _paid + 1));

    public void Release(int seats) => Change(() => (_seatsHeld, _released) = (_seatsHeld - seats, _released + 1));

    /// <summary>The buyer neither paid nor released: the seats are free when the hold ends.</summary>
    public void GoAway(int seats) => Change(() => (_wentAway, _seatsLeft) = (_wentAway + 1, _seatsLeft + seats));

    /// <summary>Somebody else was faster.</summary>
    public void Beat() => Change(() => _beaten++);

    /// <summary>The crowd left before the buyer held a seat.</summary>
    public void GiveUp() => Change(() => _unserved++);

    public void FindNothing() => Change(() => _foundNothing++);

    public void Fail(string message) => Change(() => _faults.Add(message));

    public string Progress()
    {
        lock (_gate)
        {
            return $"{Stopwatch.GetElapsedTime(_started).TotalSeconds,3:0} s   in line {_inLine,4}   admitted {_admitted,3}   "
                + $"{_seatsHeld,4} seats held   {_seatsSold,4} seats sold";
        }
    }

    public string Summary()
    {
        lock (_gate)
        {
            _waits.Sort();
            var turns = _waits.Count == 0
                ? ""
                : $", {_waits.Count} of them until their turn (half of these under {_waits[_waits.Count / 2].TotalSeconds:0.0} s, "
                    + $"all within {_waits[^1].TotalSeconds:0.0} s)";
            var faults = _faults.Count == 0
                ? ""
                : $"\n  {_faults.Count} buyers were answered what none should be; the first: {_faults[0]}";
            return $"""

                The crowd left after {Stopwatch.GetElapsedTime(_started).TotalSeconds:0} s.
                  {_entered} of {size} buyers entered; {_waited} waited in line{turns}
                  {_seatsSold} seats sold to {_paid} buyers; {_released} buyers gave their seats back
                  {_wentAway} went away with {_seatsLeft} seats held, which are free when the hold ends
                  {_beaten} times somebody else was faster; {_foundNothing} buyers found no seats
                  {_unserved} buyers had no seats yet when the time was over{faults}
                """;
        }
    }

    private void Change(Action change)
    {
        lock (_gate)
        {
            change();
        }
    }
}
