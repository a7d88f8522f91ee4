using System.Collections.Concurrent;
using ConcertBooking.Infrastructure;
using StackExchange.Redis;

namespace ConcertBooking.Queue;

internal enum PlaceStatus
{
    Gone,
    Waiting,
    Active,
    Full,
}

/// <summary>
/// A user's place. <paramref name="Position"/> is 1 for the next in line and 0 when active;
/// <paramref name="Pace"/> is how many of those who waited are admitted per second, 0 while unknown;
/// <paramref name="Now"/> is Redis's clock in µs.
/// </summary>
internal readonly record struct Place(PlaceStatus Status, bool IsNew, long Ticket, long AdmittedUntil, long Position, double Pace, long Now);

/// <param name="AdmitPerSecond">0: as many as there are places.</param>
internal readonly record struct QueueCounts(long Waiting, long Active, int MaxActive, int ActiveSeconds, int AdmitPerSecond);

internal enum PassStatus
{
    Gone,
    NotActive,
    Active,

    /// <summary>Admitted, but another user's hold of the seat is under way.</summary>
    SeatBusy,
}

/// <summary>The waiting room: each call is one script of <see cref="WaitingRoomLua"/>.</summary>
internal sealed class WaitingRoom(Redis redis, Queues queues, Settings settings, RedisClock clock, Throttle throttle, Metrics metrics)
{
    /// <summary>How long those who come after the one who has the seat, or is about to, are spared MySQL.</summary>
    private static readonly TimeSpan SeatLockLife = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// The seats' short locks while Redis is away: the users whose holds are under way in this process. A thousand who
    /// want one seat then cost MySQL one transaction at a time and not the whole pool.
    /// </summary>
    private readonly ConcurrentDictionary<RedisKey, long> _localLocks = new();

    /// <summary>
    /// What this instance knows of each queue's people. Who knew somebody in a queue that turns out to be empty knows
    /// that Redis lost its data, and a queue without a line has no place to hand on.
    /// </summary>
    private readonly ConcurrentDictionary<string, QueueCounts> _people = new(StringComparer.Ordinal);

    public bool HasLine(string queue) => _people.TryGetValue(queue, out var people) && people.Waiting > 0;

    public async Task<Place> Enter(QueueSettings queue, long userId) =>
        ReadPlace(queue.Name, await Eval(WaitingRoomLua.Enter, queue, [userId, settings.QueueMaxWaiting]));

    public async Task<Place> Look(QueueToken token) => ReadPlace(token.Queue, await Ask(WaitingRoomLua.Look, token));

    /// <summary>Gives the place up and hands it on.</summary>
    /// <returns>False when there was none any more.</returns>
    public async Task<bool> Leave(QueueToken token) => ReadPlace(token.Queue, await Ask(WaitingRoomLua.Leave, token)).Status is PlaceStatus.Active;

    /// <summary>The places of several waiting users of one queue, in one call; it counts as asking of each of them.</summary>
    public async Task<Place[]> Watch(string queue, IReadOnlyList<QueueToken> tokens)
    {
        var reply = await Eval(
            WaitingRoomLua.Watch, queues.OfToken(queue), [.. tokens.SelectMany(static token => new RedisValue[] { token.UserId, token.Ticket, token.IssuedAt })]);
        var (now, pace) = ((long)reply[0], (long)reply[2] / 1e6);
        var places = new Place[tokens.Count];
        for (var index = 0; index < places.Length; index++)
        {
            var at = 3 + (index * 3);
            places[index] = new Place(
                (PlaceStatus)(int)reply[at], false, tokens[index].Ticket, (long)reply[at + 1], (long)reply[at + 2], pace, now);
        }

        return places;
    }

    /// <summary>
    /// Whether the token's user is admitted. When Redis cannot say, the pass speaks for itself until its end.
    /// </summary>
    public Task<PassStatus> Check(QueueToken token) => Check(token, null);

    /// <summary>The same, and takes the seat's short lock; <see cref="Unlock"/> gives it back.</summary>
    public Task<PassStatus> CheckAndLock(QueueToken token, long scheduleId, int seatNo) => Check(token, SeatKey(token.Queue, scheduleId, seatNo));

    private async Task<PassStatus> Check(QueueToken token, RedisKey? seat)
    {
        try
        {
            var reply = await Ask(WaitingRoomLua.Check, token, seat);
            return (int)reply[2] switch { 0 => PassStatus.Gone, 1 => PassStatus.NotActive, 2 => PassStatus.Active, _ => PassStatus.SeatBusy };
        }
        catch (RedisUnavailableException)
        {
            return token.AdmittedUntil == 0 ? PassStatus.NotActive
                : token.AdmittedUntil <= clock.NowMilliseconds ? PassStatus.Gone
                : seat is { } key && _localLocks.GetOrAdd(key, token.UserId) != token.UserId ? PassStatus.SeatBusy
                : PassStatus.Active;
        }
    }

    /// <summary>Frees the seat's short lock, unless the seat has an owner: then it is the owner's from now on, until it ends by itself.</summary>
    public async Task Unlock(QueueToken token, long scheduleId, int seatNo, long? owner)
    {
        var seat = SeatKey(token.Queue, scheduleId, seatNo);
        _localLocks.TryRemove(new(seat, token.UserId));
        if (owner != token.UserId)
        {
            await Spare(WaitingRoomLua.Unlock, seat, [token.UserId, owner ?? RedisValue.EmptyString, (long)SeatLockLife.TotalMilliseconds]);
        }
    }

    /// <summary>Ends whatever lock a seat has, because nobody has the seat any more.</summary>
    public Task Free(string queue, long scheduleId, int seatNo) => Spare(WaitingRoomLua.Free, SeatKey(queue, scheduleId, seatNo), []);

    /// <summary>What is not worth a refusal when Redis is away.</summary>
    private async Task Spare(RedisScript script, RedisKey seat, RedisValue[] arguments)
    {
        try
        {
            await redis.Eval(script, [seat], arguments);
        }
        catch (RedisUnavailableException)
        {
            // It ends by itself.
        }
    }

    /// <summary>Drops what is past, hands on what is free, adopts newer settings, and counts.</summary>
    public async Task<QueueCounts> Count(QueueSettings queue)
    {
        var reply = await Eval(WaitingRoomLua.Count, queue, []);
        var counts = new QueueCounts((long)reply[2], (long)reply[3], (int)reply[4], (int)reply[5], (int)reply[6]);
        metrics.Queue(queue.Name, counts.Waiting, counts.Active);
        return _people[queue.Name] = counts;
    }

    private Task<RedisResult[]> Ask(RedisScript script, QueueToken token, RedisKey? seat = null) => Eval(
        script, queues.OfToken(token.Queue),
        [token.UserId, token.Ticket, token.IssuedAt, token.AdmittedUntil, (long)SeatLockLife.TotalMilliseconds], seat);

    private async Task<RedisResult[]> Eval(RedisScript script, QueueSettings queue, RedisValue[] arguments, RedisKey? seat = null)
    {
        var reply = (RedisResult[])(await redis.Eval(
            script,
            seat is { } key ? [.. Keys(queue.Name), key] : Keys(queue.Name),
            [
                queue.MaxActive, (long)queue.Active.TotalMilliseconds, queue.Version, queue.AdmitPerSecond,
                (long)settings.QueueIdle.TotalMilliseconds, (long)settings.QueueSettle.TotalMilliseconds,
                _people.TryGetValue(queue.Name, out var people) && people is not { Waiting: 0, Active: 0 } ? 1 : 0,
                throttle.Share, queue.Name,
                .. arguments,
            ]))!;
        clock.Learn((long)reply[0]);
        foreach (var waited in (long[])reply[1]!)
        {
            metrics.Admitted(TimeSpan.FromMilliseconds(waited));
        }

        return reply;
    }

    /// <summary>The place that a script tells; whoever has one is somebody in that queue, until it is next counted.</summary>
    private Place ReadPlace(string queue, RedisResult[] reply)
    {
        var place = new Place(
            (PlaceStatus)(int)reply[2], (int)reply[3] == 1, (long)reply[4], (long)reply[5], (long)reply[6], (long)reply[7] / 1e6, (long)reply[0]);
        if (place.Status is PlaceStatus.Waiting or PlaceStatus.Active && !HasLine(queue))
        {
            var people = _people.GetValueOrDefault(queue);
            _people[queue] = place.Status is PlaceStatus.Waiting ? people with { Waiting = 1 } : people with { Active = Math.Max(1, people.Active) };
        }

        return place;
    }

    private static RedisKey[] Keys(string queue) =>
        [$"{{q:{queue}}}:waiting", $"{{q:{queue}}}:active", $"{{q:{queue}}}:seen", $"{{q:{queue}}}:gone", $"{{q:{queue}}}:meta"];

    private static RedisKey SeatKey(string queue, long scheduleId, int seatNo) => $"{{q:{queue}}}:seat:{scheduleId}:{seatNo}";
}
