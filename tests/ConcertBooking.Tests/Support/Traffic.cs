using System.Collections.Concurrent;

namespace ConcertBooking.Tests.Support;

/// <summary>Visitors who read, enter, hold and pay through one address until they are stopped, and what went wrong for them.</summary>
internal sealed class Traffic : IAsyncDisposable
{
    /// <summary>Must be taken before the traffic begins: everybody tries it first.</summary>
    public const int SoldSeat = 1;

    private const int Readers = 2, Newcomers = 2, Buyers = 4;

    private readonly Fleet _fleet;
    private readonly Api _api;
    private readonly Show _show;
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly Task _all;
    private volatile bool _stopped;
    private int _answers, _paid, _seat = SoldSeat;

    public Traffic(Fleet fleet, Api api, Show show)
    {
        (_fleet, _api, _show) = (fleet, api, show);
        _all = Task.WhenAll([
            .. Enumerable.Repeat(ReadAsync, Readers).Select(RepeatAsync),
            .. Enumerable.Repeat(EnterAsync, Newcomers).Select(RepeatAsync),
            .. Enumerable.Repeat(BuyAsync, Buyers).Select(RepeatAsync)]);
    }

    public int Answers => Volatile.Read(ref _answers);

    public int Paid => Volatile.Read(ref _paid);

    /// <summary>A new user who asks at the traffic's address.</summary>
    public Visitor NewVisitor()
    {
        var visitor = _fleet.NewVisitor();
        visitor.Api = _api;
        return visitor;
    }

    /// <summary>A seat that nobody was given before.</summary>
    public int NextSeat() => Interlocked.Increment(ref _seat);

    /// <returns>The answers that nobody should get, and the calls that got none.</returns>
    public async Task<IReadOnlyCollection<string>> StopAsync()
    {
        await DisposeAsync();
        return _failures;
    }

    public async ValueTask DisposeAsync()
    {
        _stopped = true;
        await _all;
    }

    private async Task RepeatAsync(Func<Task> visitAsync)
    {
        while (!_stopped)
        {
            try
            {
                await visitAsync();
            }
            catch (Exception lost) when (lost is HttpRequestException or TaskCanceledException)
            {
                _failures.Enqueue(lost.ToString());
            }
        }
    }

    private async Task ReadAsync()
    {
        Expect(await _api.GetAsync("/v1/concerts"), 200);
        Expect(await _api.GetAsync($"/v1/concerts/{_show.ConcertId}/schedules"), 200);
        Expect(await _api.GetAsync($"/v1/schedules/{_show.ScheduleId}/seats"), 200);
    }

    /// <summary>200: nginx asked a second instance, and the first had given the place.</summary>
    private async Task EnterAsync() => Expect(await NewVisitor().EnterAsync(_show.Queue), 200, 201);

    private async Task BuyAsync()
    {
        var visitor = NewVisitor();
        if (!Expect(await visitor.EnterAsync(_show.Queue), 200, 201) || !Expect(await visitor.ChargeAsync(_show.Price), 201))
        {
            return;
        }

        Expect(await visitor.HoldAsync(_show, SoldSeat), 409);
        var held = await visitor.HoldAsync(_show, NextSeat());
        if (Expect(held, 200, 201) && Expect(await visitor.PayAsync(held.Value("reservationId")), 201))
        {
            Interlocked.Increment(ref _paid);
        }
    }

    private bool Expect(Reply reply, params ReadOnlySpan<int> statuses)
    {
        Interlocked.Increment(ref _answers);
        if (statuses.Contains(reply.Status))
        {
            return true;
        }

        _failures.Enqueue(reply.ToString());
        return false;
    }
}
