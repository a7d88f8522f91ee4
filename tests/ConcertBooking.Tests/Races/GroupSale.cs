using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Races;

/// <summary>
/// Groups of 1 to 5 race over two instances for the seats of one hall. A reader judges the tables all the while; at the end they are
/// compared with every answer.
/// </summary>
internal sealed class GroupSale
{
    private const int MaximumSize = 5;
    private const int Tries = 4;
    private const long Price = 100;

    private readonly Fleet _fleet;
    private readonly Show _show;
    private readonly Group[] _groups;
    private readonly Dictionary<long, Group> _byUser;
    private readonly ConcurrentDictionary<string, int> _unanswered = new();
    private readonly ConcurrentBag<TimeSpan> _times = [];
    private int _done, _retries;
    private long? _deadlocks;

    private GroupSale(Fleet fleet, Show show, Group[] groups)
    {
        (_fleet, _show, _groups) = (fleet, show, groups);
        _byUser = groups.ToDictionary(static group => group.Visitor.UserId);
    }

    /// <summary>Waits until that part of the groups have come to an end.</summary>
    public Task UntilAsync(double part) => Eventually.TrueAsync(() => _done >= part * _groups.Length, 4 * Eventually.Patience);

    /// <summary>Two instances that let a group hold and buy so many seats, on a database of their own.</summary>
    public static Task<Fleet> StartFleetAsync(Rig rig) => Fleet.StartAsync(
        rig, 2, ("Holds__MaxPerUser", "8"), ("Purchases__MaxPerUser", "8"), ("Holds__Seconds", "3600"));

    /// <summary>All are admitted and have the points; the order of instances is theirs by turns.</summary>
    public static async Task<GroupSale> OpenAsync(Fleet fleet, int seats, int groups)
    {
        var show = await fleet.Catalogue.AddShowAsync(seats, Price, activeSeconds: 3600);
        var all = new Group[groups];
        await Parallel.ForAsync(0, groups, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (index, _) =>
        {
            var size = 1 + (index % MaximumSize);
            var visitor = await fleet.NewVisitorAsync(show, size * Price, member: index % 2);
            all[index] = new Group(visitor, size, bySeat: size == 1 && index / MaximumSize % 2 == 0, seed: index);
        });
        return new GroupSale(fleet, show, all);
    }

    /// <param name="fault">What happens to the servers once a quarter of the groups are done.</param>
    public async Task RunAsync(Func<Task>? fault = null)
    {
        _deadlocks = await _fleet.Database.DeadlocksAsync();
        using var stop = new CancellationTokenSource();
        var reader = ReadThroughoutAsync(stop.Token);
        var rush = Rush.AllAtOnceAsync(_groups, async group =>
        {
            try
            {
                await RunAsync(group);
                return true;
            }
            finally
            {
                Interlocked.Increment(ref _done);
            }
        });
        if (fault is not null)
        {
            await UntilAsync(0.25);
            await fault();
        }

        await rush;
        await stop.CancelAsync();
        var reads = await reader;
        await _fleet.StopAsync(); // whatever was still under way is done or undone after this
        await ExpectAsToldAsync(reads);
        await _fleet.VerifyAsync();
    }

    private async Task RunAsync(Group group)
    {
        for (var attempt = 0; attempt < Tries && group.BookingId is null; attempt++)
        {
            Interlocked.Add(ref _retries, attempt == 0 ? 0 : 1);
            var seats = group.Pick(_show.SeatCount);
            var reply = await AnsweredAsync(group, () => group.HoldAsync(_show, seats), () => group.GotNoAnswer(seats));
            if (reply.IsWon)
            {
                var held = group.SeatsOf(reply).ToList();
                if (!held.SequenceEqual(seats))
                {
                    Assert.Fail($"Asked for {string.Join(", ", seats)} but got:\n{reply}");
                }

                (group.Seats, group.BookingId) = (seats, Guid.Parse(reply.Value("bookingId")));
            }
            else if (!(group.MayHoldMore && reply.Code is "hold_limit_reached" or "purchase_limit_reached"))
            {
                reply.ExpectProblem(409, "seat_taken");
            }
        }

        if (group.BookingId is { } bookingId)
        {
            await EndAsync(group, $"{bookingId}", group.PickEnd());
        }
    }

    private async Task EndAsync(Group group, string bookingId, GroupEnd end)
    {
        group.TakenOut = end is GroupEnd.OneTakenOut or GroupEnd.OneTakenOutAndPaid ? group.PickOneOf(group.Seats) : 0;
        group.End = end; // from here on the reader may see it
        if (end is GroupEnd.Released)
        {
            (await AnsweredAsync(group, () => group.Visitor.ReleaseBookingAsync(bookingId))).Expect(204);
        }

        if (group.TakenOut > 0)
        {
            var booking = (await AnsweredAsync(group, () => group.Visitor.BookingAsync(bookingId))).Expect(200);
            var reservationId = booking.ReservationOf(group.TakenOut);
            (await AnsweredAsync(group, () => group.Visitor.ReleaseAsync(reservationId))).Expect(204);
        }

        if (end is GroupEnd.Paid or GroupEnd.OneTakenOutAndPaid)
        {
            var paid = (await AnsweredAsync(group, () => group.Visitor.PayBookingAsync(bookingId, key: bookingId))).Expect(201);
            var amount = Price * (group.TakenOut > 0 ? group.Size - 1 : group.Size);
            await Assert.That((paid.Number("amount"), paid.Number("balance"))).IsEqualTo((amount, (group.Size * Price) - amount));
        }
    }

    /// <summary>The same request at the other instance, whenever there is no answer, until there is one.</summary>
    private async Task<Reply> AnsweredAsync(Group group, Func<Task<Reply>> request, Action? gotNone = null)
    {
        for (var started = Stopwatch.GetTimestamp(); ;)
        {
            string reason;
            try
            {
                var asked = Stopwatch.GetTimestamp();
                var reply = await request();
                if (reply.Status is not (429 or 503) && reply.Code is not "idempotency_key_in_use")
                {
                    _times.Add(Stopwatch.GetElapsedTime(asked));
                    return reply;
                }

                reason = reply.Code ?? $"{reply.Status}";
            }
            catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
            {
                reason = "no connection";
            }

            gotNone?.Invoke();
            _unanswered.AddOrUpdate(reason, 1, static (_, count) => count + 1);
            if (Stopwatch.GetElapsedTime(started) > 2 * Eventually.Patience)
            {
                Assert.Fail($"No answer but {reason}.");
            }

            group.Visitor.Api = _fleet[group.Visitor.Api == _fleet[0] ? 1 : 0];
            await Task.Delay(Random.Shared.Next(100, 400));
        }
    }

    /// <returns>How often the tables were read.</returns>
    private async Task<int> ReadThroughoutAsync(CancellationToken stop)
    {
        for (var reads = 0; ;)
        {
            var won = Won();
            try
            {
                Judge(await GroupRow.ReadAsync(_fleet.Database, _show), won);
                reads++;
            }
            catch (Exception exception) when (exception is MySqlException or IOException)
            {
                // A test may have stopped the server.
            }

            if (stop.IsCancellationRequested)
            {
                return reads;
            }

            await Task.Delay(10, CancellationToken.None);
        }
    }

    private List<Group> Won() => [.. _groups.Where(static group => group.BookingId is not null)];

    /// <summary>Fails unless all bookings are whole.</summary>
    /// <param name="rows">At one moment.</param>
    /// <param name="won">Whose bookings must be among them.</param>
    private void Judge(List<GroupRow> rows, List<Group> won)
    {
        foreach (var seat in rows.Where(static row => row.IsLive).GroupBy(static row => row.SeatNo).Where(static seat => seat.Count() > 1))
        {
            Assert.Fail($"Two live reservations of one seat:\n{string.Join('\n', seat)}");
        }

        var bookings = rows.GroupBy(static row => row.BookingId).ToDictionary(
            static booking => booking.Key, static booking => booking.ToList());
        foreach (var (bookingId, seats) in bookings)
        {
            if (Fault(_byUser[seats[0].UserId], bookingId, seats) is { } fault)
            {
                Assert.Fail($"{fault}\n{string.Join('\n', seats)}");
            }
        }

        foreach (var group in won.Where(group => !bookings.ContainsKey(group.BookingId!.Value)))
        {
            Assert.Fail($"{group.BookingId} was answered, but is not there.");
        }
    }

    private static string? Fault(Group group, Guid bookingId, List<GroupRow> seats)
    {
        var there = seats.Where(static seat => seat.Status != "RELEASED").ToList();
        var released = seats.Except(there).Select(static seat => seat.SeatNo).ToList();
        var status = there.FirstOrDefault()?.Status ?? "RELEASED";
        var total = there.Sum(static seat => seat.Price);
        return seats switch
        {
            _ when seats.Any(seat => seat.UserId != group.Visitor.UserId) => "Seats of two users in one booking.",
            _ when !group.HasAsked(seats.Select(static seat => seat.SeatNo)) => "Not the seats that its user asked for.",
            _ when there.Any(seat => seat.Status != status) => "Seats of one booking differ in status.",
            _ when seats.Any(seat => seat.BookingStatus != status) => "The booking's status is not that of its seats.",
            _ when seats.Any(seat => seat.Amount != (status == "CONFIRMED" ? total : null)) => "The payment is not of its seats.",
            _ when released.Count > 0 && (group.BookingId ?? bookingId) != bookingId => "Seats were taken out of another booking.",
            _ when released.Count > 0 && released.Count < seats.Count && !released.SequenceEqual([group.TakenOut]) => "Partly released.",
            _ when released.Count == seats.Count && group.End is not GroupEnd.Released => "Released by nobody.",
            _ => null,
        };
    }

    /// <summary>The tables are what the groups were told, when nothing is under way any more.</summary>
    private async Task ExpectAsToldAsync(int reads)
    {
        var rows = await GroupRow.ReadAsync(_fleet.Database, _show);
        Judge(rows, Won());
        var bookings = rows.GroupBy(static row => row.BookingId).ToList();
        var late = 0;
        foreach (var booking in bookings)
        {
            var group = _byUser[booking.First().UserId];
            foreach (var row in booking)
            {
                var expected = booking.Key != group.BookingId ? "HELD" : group.End switch
                {
                    _ when row.SeatNo == group.TakenOut => "RELEASED",
                    GroupEnd.Paid or GroupEnd.OneTakenOutAndPaid => "CONFIRMED",
                    GroupEnd.Released => "RELEASED",
                    _ => "HELD",
                };
                await Assert.That(row.Status).IsEqualTo(expected).Because($"{row} of a group that ended as {group.End}");
            }

            if (booking.Key != group.BookingId)
            {
                // A hold that nobody answered, made after its user had gone on: allowed, but only that.
                late++;
                await Assert.That(group.MayHold(booking.Select(static row => row.SeatNo))).IsTrue().Because($"{booking.First()}");
            }
        }

        var deadlocks = await _fleet.Database.DeadlocksAsync() - _deadlocks; // a restarted server counts from 0
        Console.WriteLine($"{Tally(rows, bookings.Count, late, reads)}, {deadlocks} deadlocks");
        await Assert.That(Won().Count + late).IsEqualTo(bookings.Count);
        await Assert.That(Won()).IsNotEmpty();
        await Assert.That(_groups.Count(static group => group.End is GroupEnd.Refused)).IsGreaterThan(0);
        await Assert.That(reads).IsGreaterThan(0);
    }

    private string Tally(List<GroupRow> rows, int bookings, int late, int reads)
    {
        var taken = rows.Where(static row => row.IsLive).Select(static row => row.SeatNo).ToHashSet();
        var orphans = Enumerable.Range(1, _show.SeatCount).Count(
            seat => !taken.Contains(seat) && IsTakenOrWall(seat - 1) && IsTakenOrWall(seat + 1));
        var ends = string.Join(", ", _groups.GroupBy(static group => group.End).OrderBy(static end => end.Key)
            .Select(static end => $"{end.Count()} {end.Key}"));
        var unanswered = string.Join(", ", _unanswered.Select(static reason => $"{reason.Value} × {reason.Key}"));
        return $"{_groups.Length} groups, {_show.SeatCount} seats: {bookings - late} won ({ends}), {_retries} retries, "
            + $"{taken.Count} seats taken, {orphans} orphans, {late} late holds, no answer [{unanswered}], {reads} reads, "
            + $"answers p95 {_times.Part(0.95).TotalMilliseconds:0} ms";

        bool IsTakenOrWall(int seat) => seat == 0 || seat > _show.SeatCount || taken.Contains(seat);
    }
}
