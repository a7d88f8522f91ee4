using System.Diagnostics;
using System.Text.Json.Nodes;

namespace ConcertBooking.DevHost;

/// <param name="Scale">Of all pauses: 1 for a crowd that stays a minute.</param>
internal sealed record CrowdPlan(string Queue, CrowdShows Shows, double Scale);

/// <summary>
/// One simulated buyer: stands in line, looks at seats, chooses, thinks, and pays, gives back or walks away. Whatever it holds when the
/// crowd leaves it gives back, and its place too.
/// </summary>
internal sealed class CrowdBuyer(CrowdApi api, CrowdPlan plan, CrowdTally tally, long userId)
{
    private const double ChanceToRelease = 0.08, ChanceToWalkAway = 0.06;
    private const int Looks = 4;

    private readonly Random _random = new();
    private string? _accessToken, _queueToken, _bookingId;
    private int _seats;
    private bool _inLine, _isAdmitted;

    /// <summary>Never throws: what goes wrong is in the tally.</summary>
    /// <param name="after">How long it is still elsewhere.</param>
    /// <param name="leave">The crowd leaves.</param>
    public async Task RunAsync(TimeSpan after, CancellationToken leave)
    {
        try
        {
            await Task.Delay(after, leave);
            await EnterAsync(leave);
            await ThinkAsync(0.5, 2, leave);
            if (await HoldAsync(leave))
            {
                await ThinkAsync(1, 4, leave);
                await DecideAsync(leave);
            }
            else
            {
                tally.FindNothing();
            }
        }
        catch (OperationCanceledException) when (leave.IsCancellationRequested)
        {
            if (_bookingId is null && _queueToken is not null)
            {
                tally.GiveUp();
            }
        }
        catch (HostException exception)
        {
            tally.Fail(exception.Message);
        }

        await LeaveAsync();
    }

    public static async Task<string> SignInAsync(CrowdApi api, long userId, bool admin, CancellationToken cancellationToken)
    {
        var body = new JsonObject { ["userId"] = userId, ["admin"] = admin };
        return (await api.SendAsync(new("POST", "/dev/sign-in", body), cancellationToken)).Expected().Text("accessToken");
    }

    private async Task EnterAsync(CancellationToken leave)
    {
        _accessToken = await SignInAsync(api, userId, admin: false, leave);
        var enter = new CrowdCall("POST", "/v1/queue/tokens", new JsonObject { ["queue"] = plan.Queue }) { AccessToken = _accessToken };
        var place = await api.SendAsync(enter, leave);
        if (place is { Code: "proof_of_work_needed", Challenge: { } challenge })
        {
            place = await api.SendAsync(enter with { ProofOfWork = await Task.Run(() => ProofOfWork.Solve(challenge), leave) }, leave);
        }

        _queueToken = place.Expected().Text("token");
        var arrived = Stopwatch.GetTimestamp();
        var mustWait = place.Text("status") != "ACTIVE";
        tally.Enter(mustWait);
        _inLine = true;
        while (place.Text("status") != "ACTIVE")
        {
            await Task.Delay(TimeSpan.FromMilliseconds(place.Number("pollAfterMs")), leave);
            place = (await api.SendAsync(new("GET", "/v1/queue/tokens/current") { QueueToken = _queueToken }, leave)).Expected();
            _queueToken = place.Text("token");
        }

        (_inLine, _isAdmitted) = (false, true);
        tally.Admit(mustWait ? Stopwatch.GetElapsedTime(arrived) : null);
    }

    /// <returns>False when none of the shows had the seats.</returns>
    private async Task<bool> HoldAsync(CancellationToken leave)
    {
        foreach (var show in plan.Shows.WishesOf(_random))
        {
            var wanted = 1 + _random.Next(4);
            for (var look = 0; look < Looks; look++)
            {
                var free = await CrowdShows.FreeSeatsAsync(api, show, leave);
                if (free.Count == 0)
                {
                    break;
                }

                await ThinkAsync(0.5, 2, leave);
                var hold = await api.SendAsync(Choose(show, free, Math.Min(wanted, free.Count)), leave);
                if (hold.IsSuccess)
                {
                    _bookingId = hold.Text("bookingId");
                    _seats = hold.Body!["seats"] is JsonArray seats ? seats.Count : 1;
                    tally.Hold(_seats);
                    return true;
                }

                if (hold.Code is "sales_not_open" or "sales_closed" or "schedule_closed" or "purchase_limit_reached")
                {
                    break;
                }

                if (hold.Code is not ("seat_taken" or "sold_out" or "no_seats_together"))
                {
                    throw hold.Unexpected();
                }

                tally.Beat();
                wanted = Math.Max(1, wanted - 1);
            }
        }

        return false;
    }

    /// <summary>One seat, the best available, or neighbours by number; the front is wanted most, so buyers meet there.</summary>
    private CrowdCall Choose(CrowdShow show, IReadOnlyList<int> free, int count)
    {
        var at = (int)(free.Count * _random.NextDouble() * _random.NextDouble());
        if (count == 1)
        {
            return Hold("/v1/reservations", new() { ["scheduleId"] = show.ScheduleId, ["seatNo"] = free[at] });
        }

        var body = new JsonObject { ["scheduleId"] = show.ScheduleId };
        if (_random.Next(2) == 0)
        {
            body["bestAvailable"] = new JsonObject { ["count"] = count };
        }
        else
        {
            at = Math.Min(at, free.Count - count);
            body["seatNos"] = new JsonArray([.. free.Skip(at).Take(count).Select(static seat => (JsonNode)seat)]);
        }

        return Hold("/v1/bookings", body);

        CrowdCall Hold(string path, JsonObject of) => new("POST", path, of) { QueueToken = _queueToken };
    }

    private async Task DecideAsync(CancellationToken leave)
    {
        var chance = _random.NextDouble();
        if (chance < ChanceToWalkAway)
        {
            tally.GoAway(_seats);
            _bookingId = null;
        }
        else if (chance >= ChanceToWalkAway + ChanceToRelease)
        {
            await PayAsync(leave);
        }
        // Else LeaveAsync gives the seats back.
    }

    private async Task PayAsync(CancellationToken leave)
    {
        var booking = new CrowdCall("GET", $"/v1/bookings/{_bookingId}") { AccessToken = _accessToken };
        var total = (await api.SendAsync(booking, leave)).Expected().Number("total");
        var charge = new CrowdCall("POST", "/v1/points/charges", new JsonObject { ["amount"] = total }) { AccessToken = _accessToken };
        (await api.SendAsync(charge, leave)).Expected();
        await ThinkAsync(0.2, 1, leave);
        var pay = new CrowdCall("POST", "/v1/payments", new JsonObject { ["bookingId"] = _bookingId }) { QueueToken = _queueToken };
        (await api.SendAsync(pay, leave)).Expected();
        tally.Pay(_seats);
        tally.Leave();
        (_bookingId, _isAdmitted) = (null, false); // the payment has used the place up
    }

    private async Task LeaveAsync()
    {
        try
        {
            if (_bookingId is not null)
            {
                await api.SendAsync(new("DELETE", $"/v1/bookings/{_bookingId}") { AccessToken = _accessToken }, CancellationToken.None);
                tally.Release(_seats);
            }

            if (_inLine || _isAdmitted)
            {
                await api.SendAsync(new("DELETE", "/v1/queue/tokens/current") { QueueToken = _queueToken }, CancellationToken.None);
            }
        }
        catch (HostException exception)
        {
            tally.Fail(exception.Message);
        }

        if (_inLine)
        {
            tally.LeaveLine();
        }
        else if (_isAdmitted)
        {
            tally.Leave();
        }
    }

    private Task ThinkAsync(double least, double most, CancellationToken leave) =>
        Task.Delay(TimeSpan.FromSeconds(plan.Scale * (least + (_random.NextDouble() * (most - least)))), leave);
}
