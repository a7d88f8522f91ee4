using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Chaos;

/// <summary>
/// Visit after visit, each of a new user: enter, charge, look, hold a few seats, pay, release or forget them. What is
/// decided depends on the seed and the answers alone. Calls go to any instance, repeats of a call to any other.
/// </summary>
internal sealed class Customer(Fleet fleet, IReadOnlyList<Show> shows, Journal journal, int seed)
{
    private const int Repeats = 6;

    private readonly Random _random = new(seed);

    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var user = fleet.NewVisitor();
            await VisitAsync(user, stop);
            // Whoever paid has left already; the others make room.
            await AskAsync(() => At(user).LeaveAsync());
        }
    }

    private async Task VisitAsync(Visitor user, CancellationToken stop)
    {
        var (show, free) = await LookAsync(user);
        if (show is null || !await EnterAsync(user, show, stop))
        {
            return;
        }

        var wanted = _random.Next(1, 4);
        // Whoever does not know of the points goes home: from here on, too few of them would be a loss.
        if ((await ChargeAsync(user, wanted * show.Price)).Outcome is not Outcome.Ok)
        {
            return;
        }

        // Some come together and take all their seats as one booking, the others take one after the other.
        foreach (var seats in Pick(free, wanted).Chunk(_random.Next(3) == 0 ? wanted : 1))
        {
            if (await HoldAsync(user, show, seats) is not { } booking)
            {
                continue;
            }

            switch (_random.Next(10))
            {
                case < 7:
                    await PayAsync(user, booking, isSeat: seats.Length == 1);
                    break;
                case < 9:
                    await RepeatAsync(() => journal.TryAsync(
                        "release", user.UserId, booking, null,
                        () => seats.Length == 1 ? At(user).ReleaseAsync(booking) : At(user).ReleaseBookingAsync(booking)));
                    break;
            }
        }
    }

    /// <summary>The first schedule with free seats, and those seats.</summary>
    private async Task<(Show? Show, int[] Free)> LookAsync(Visitor user)
    {
        foreach (var show in shows)
        {
            var reply = await AskAsync(() => At(user).Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats"));
            if (reply is not { Status: 200 })
            {
                break;
            }

            int[] free = [.. reply.Items("seats").Where(
                seat => seat.Value("status") == "AVAILABLE").Select(seat => (int)seat.Number("seatNo"))];
            if (free.Length > 0)
            {
                return (show, free);
            }
        }
        return (null, []);
    }

    /// <summary>Of the first few free ones, so that customers get in each other's way.</summary>
    private int[] Pick(int[] free, int count)
    {
        var few = free.Take(12).ToArray();
        _random.Shuffle(few);
        return few[..Math.Min(count, few.Length)];
    }

    private async Task<bool> EnterAsync(Visitor user, Show show, CancellationToken stop)
    {
        for (var patience = 0; patience < 40 && !stop.IsCancellationRequested; patience++)
        {
            var reply = await AskAsync(() => user.QueueToken is null ? At(user).EnterAsync(show.Queue) : At(user).PlaceAsync());
            if (reply?.Status is 200 or 201 && reply.Value("status") == "ACTIVE")
            {
                return true;
            }

            if (reply?.Status == 410)
            {
                user.QueueToken = null;
            }

            await Task.Delay(50, CancellationToken.None);
        }
        return false;
    }

    /// <summary>A call that may be lost without harm: sent again a few times; null when nobody answered.</summary>
    private static async Task<Reply?> AskAsync(Func<Task<Reply>> send)
    {
        for (var repeat = 0; repeat < Repeats; repeat++)
        {
            try
            {
                return await send().WaitAsync(Journal.Patience);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException
                or OperationCanceledException or TimeoutException)
            {
                await Task.Delay(20 << repeat);
            }
        }
        return null;
    }

    private Task<Attempt> ChargeAsync(Visitor user, long amount)
    {
        var key = NewKey();
        return RepeatAsync(() => journal.TryAsync("charge", user.UserId, $"{amount}", key, () => At(user).ChargeAsync(amount, key)));
    }

    /// <returns>The booking's id, which of a booking of one seat is its reservation's.</returns>
    private async Task<string?> HoldAsync(Visitor user, Show show, int[] seats)
    {
        var attempt = await RepeatAsync(() => journal.TryAsync(
            "hold", user.UserId, $"{show.ScheduleId}/{string.Join('+', seats.Order())}", null,
            () => seats is [var only] ? At(user).HoldAsync(show, only) : At(user).HoldTogetherAsync(show, seats)));
        return attempt.Outcome is Outcome.Ok ? attempt.Reply!.Value("bookingId") : null;
    }

    private async Task PayAsync(Visitor user, string booking, bool isSeat)
    {
        var key = NewKey();
        Task<Reply> SendAsync() => isSeat ? At(user).PayAsync(booking, key) : At(user).PayBookingAsync(booking, key);
        var attempt = await RepeatAsync(() => journal.TryAsync("pay", user.UserId, booking, key, SendAsync));
        if (attempt.Outcome is Outcome.Ok && _random.Next(4) == 0)
        {
            await journal.TryAsync("pay", user.UserId, booking, key, SendAsync);
        }
    }

    /// <summary>Sends the call again until its outcome is known, a few times.</summary>
    private static async Task<Attempt> RepeatAsync(Func<Task<Attempt>> send)
    {
        for (var repeat = 0; ; repeat++)
        {
            var attempt = await send();
            if (repeat == Repeats || (attempt.Outcome is not Outcome.Unknown && attempt.Reply!.Code != "idempotency_key_in_use"))
            {
                return attempt;
            }

            await Task.Delay(50 << repeat);
        }
    }

    private Visitor At(Visitor user)
    {
        user.Api = fleet[_random.Next(fleet.Members.Count)];
        return user;
    }

    private string NewKey()
    {
        var bytes = new byte[16];
        _random.NextBytes(bytes);
        return Convert.ToHexStringLower(bytes);
    }
}
