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

internal readonly record struct QueueCounts(long Waiting, long Active, int MaxActive, int ActiveSeconds);

internal enum PassStatus
{
    Gone,
    NotActive,
    Active,

    /// <summary>Admitted, but another user's hold of the seat is under way.</summary>
    SeatBusy,
}

/// <summary>
/// The waiting room: one script call per request, all keys of a queue under one hash tag.
/// <code>
/// {q:main}:waiting  zset  user → ticket number (µs since 1970, rising)
/// {q:main}:active   zset  user → end of admission (ms); whatever is past is dropped by the next call that looks
/// {q:main}:seen     zset  waiting user → last asked (ms)
/// {q:main}:gone     zset  user → when the place was given up (µs); tokens issued before are void
/// {q:main}:meta     hash  settings (maxActive, activeMs, version), last ticket, birth of this data, pace, and
///                          grace: how many were active when the limit was lowered or passes came back
/// {q:main}:seat:S:N string user holding the seat right now, for the length of one transaction
/// </code>
/// </summary>
internal sealed class WaitingRoom(Redis redis, Queues queues, Settings settings, RedisClock clock)
{
    /// <summary>
    /// Every script starts with this: the newest settings win, places past their end go, owners who stopped asking go.
    /// </summary>
    private const string Prelude = """
        local waiting, active, seen, gone, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
        local time = redis.call('TIME')
        local nowUs = time[1] * 1000000 + time[2]
        local now = math.floor(nowUs / 1000)
        local idleMs = tonumber(ARGV[4])
        local known = redis.call('HMGET', meta, 'maxActive', 'activeMs', 'version', 'born', 'last', 'pace', 'paceAt')
        if tonumber(ARGV[3]) > tonumber(known[3] or -1) then
          redis.call('HSET', meta, 'maxActive', ARGV[1], 'activeMs', ARGV[2], 'version', ARGV[3], 'grace', redis.call('ZCARD', active))
          known[1], known[2] = ARGV[1], ARGV[2]
        end
        local maxActive, activeMs = tonumber(known[1]), tonumber(known[2])
        local born = tonumber(known[4] or nowUs)
        if not known[4] then redis.call('HSET', meta, 'born', nowUs) end
        local last = tonumber(known[5] or 0)
        local pace, paceAt = tonumber(known[6] or 0), tonumber(known[7] or now)

        local function forget(user)
          redis.call('ZREM', waiting, user)
          redis.call('ZREM', active, user)
          redis.call('ZREM', seen, user)
          redis.call('ZADD', gone, nowUs, user)
        end
        local ended = redis.call('ZRANGEBYSCORE', active, '-inf', now, 'LIMIT', 0, 500)
        for _, user in ipairs(ended) do forget(user) end
        local silent = redis.call('ZRANGEBYSCORE', seen, '-inf', now - idleMs, 'LIMIT', 0, 500)
        for _, user in ipairs(silent) do forget(user) end
        redis.call('ZREMRANGEBYSCORE', gone, '-inf', nowUs - 1000 * math.max(idleMs, activeMs))

        local function currentPace() return pace * math.exp((paceAt - now) / 60000) end

        -- Hands free places to the next in line. Only those who had to wait count for the pace, which is a rate
        -- per second that forgets with a time constant of a minute.
        local function admit(newcomer)
          local free = maxActive - redis.call('ZCARD', active)
          if free <= 0 then return end
          local nextInLine = redis.call('ZPOPMIN', waiting, math.min(free, 1000))
          local waited = 0
          for i = 1, #nextInLine, 2 do
            redis.call('ZADD', active, now + activeMs, nextInLine[i])
            redis.call('ZREM', seen, nextInLine[i])
            if nextInLine[i] ~= newcomer then waited = waited + 1 end
          end
          if waited > 0 then
            pace, paceAt = currentPace() + waited / 60, now
            redis.call('HSET', meta, 'pace', tostring(pace), 'paceAt', now)
          end
        end

        -- {status, new, ticket, end, position, pace in millionths, now}
        local function place(user, created, ticket)
          local ends = redis.call('ZSCORE', active, user)
          if ends then return {2, created, ticket, tonumber(ends), 0, 0, nowUs} end
          local score = redis.call('ZSCORE', waiting, user)
          return {1, created, tonumber(score), 0, redis.call('ZRANK', waiting, user) + 1, math.floor(currentPace() * 1000000), nowUs}
        end

        """;

    /// <summary>A user has one place however often it enters; a new one goes to the end of the line.</summary>
    private const string EnterLua = Prelude + """
        local user, maxWaiting = ARGV[5], tonumber(ARGV[6])
        local created, ticket = 0, 0
        if not redis.call('ZSCORE', active, user) then
          local score = redis.call('ZSCORE', waiting, user)
          if score then
            ticket = tonumber(score)
          else
            if redis.call('ZCARD', waiting) >= maxWaiting then
              admit('')
              return {3, 0, 0, 0, 0, 0, nowUs}
            end
            created, ticket = 1, math.max(last + 1, nowUs)
            redis.call('HSET', meta, 'last', ticket)
            redis.call('ZADD', waiting, ticket, user)
          end
          redis.call('ZADD', seen, now, user)
        end
        admit(created == 1 and user or '')
        return place(user, created, ticket)
        """;

    /// <summary>
    /// Whether the token still stands for a place. A user that Redis does not know although the token is fresh was
    /// lost with Redis's data and gets the old order, or the rest of the admission, back; the hour bounds how long
    /// an outage may have lasted.
    /// </summary>
    private const string Recognise = """
        local user, ticket, issued, ends = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
        local function recognise()
          local left = redis.call('ZSCORE', gone, user)
          if left and issued <= tonumber(left) then return false end
          if redis.call('ZSCORE', active, user) or redis.call('ZSCORE', waiting, user) then return true end
          if ends > 0 then
            if ends <= now then return false end
            redis.call('ZADD', active, ends, user)
            redis.call('HSET', meta, 'grace', redis.call('ZCARD', active))
            return true
          end
          if nowUs - math.max(issued, born) > idleMs * 1000 or born - issued > 3600 * 1000000 then return false end
          redis.call('ZADD', waiting, ticket, user)
          redis.call('ZADD', seen, now, user)
          if ticket > last then redis.call('HSET', meta, 'last', ticket) end
          return true
        end

        """;

    private const string LookLua = Prelude + Recognise + """
        if not recognise() then
          admit('')
          return {0, 0, 0, 0, 0, 0, nowUs}
        end
        if redis.call('ZSCORE', waiting, user) then redis.call('ZADD', seen, now, user) end
        admit('')
        return place(user, 0, ticket)
        """;

    private const string LeaveLua = Prelude + Recognise + """
        local had = recognise()
        if had then forget(user) end
        admit('')
        return {had and 2 or 0, 0, 0, 0, 0, 0, nowUs}
        """;

    /// <summary>
    /// Admission and the seat's short lock in one call. The lock only answers losers cheaply: it lives for one
    /// transaction, never waits, and lets its own user through, because MySQL decides.
    /// </summary>
    private const string CheckLua = Prelude + Recognise + """
        if not recognise() then return {0, nowUs} end
        if not redis.call('ZSCORE', active, user) then
          admit('')
          if not redis.call('ZSCORE', active, user) then return {1, nowUs} end
        end
        if KEYS[6] and not redis.call('SET', KEYS[6], user, 'NX', 'PX', ARGV[9]) and redis.call('GET', KEYS[6]) ~= user then
          return {3, nowUs}
        end
        return {2, nowUs}
        """;

    private const string UnlockLua = """
        if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
        """;

    private const string CountLua = Prelude + """
        admit('')
        return {redis.call('ZCARD', waiting), redis.call('ZCARD', active), maxActive, activeMs / 1000, nowUs}
        """;

    private static readonly TimeSpan SeatLockLife = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The seats' short locks while Redis is away: the users whose holds are under way in this process. A thousand who
    /// want one seat then cost MySQL one transaction at a time and not the whole pool.
    /// </summary>
    private readonly ConcurrentDictionary<RedisKey, long> _localLocks = new();

    public async Task<Place> Enter(QueueSettings queue, long userId) =>
        ReadPlace(await redis.Eval(EnterLua, Keys(queue.Name), [.. Arguments(queue), userId, settings.QueueMaxWaiting]));

    public async Task<Place> Look(QueueToken token) => ReadPlace(await Ask(LookLua, token));

    /// <summary>Gives the place up and hands it on.</summary>
    /// <returns>False when there was none any more.</returns>
    public async Task<bool> Leave(QueueToken token) => ReadPlace(await Ask(LeaveLua, token)).Status is PlaceStatus.Active;

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
            var reply = (RedisResult[])(await Ask(CheckLua, token, seat))!;
            clock.Learn((long)reply[1]);
            return (int)reply[0] switch { 0 => PassStatus.Gone, 1 => PassStatus.NotActive, 2 => PassStatus.Active, _ => PassStatus.SeatBusy };
        }
        catch (RedisUnavailableException)
        {
            return token.AdmittedUntil == 0 ? PassStatus.NotActive
                : token.AdmittedUntil <= clock.NowMilliseconds ? PassStatus.Gone
                : seat is { } key && _localLocks.GetOrAdd(key, token.UserId) != token.UserId ? PassStatus.SeatBusy
                : PassStatus.Active;
        }
    }

    /// <summary>Frees the seat's short lock; a lock that stays, because Redis is away, ends by itself in 2 s.</summary>
    public async Task Unlock(QueueToken token, long scheduleId, int seatNo)
    {
        var seat = SeatKey(token.Queue, scheduleId, seatNo);
        _localLocks.TryRemove(new(seat, token.UserId));
        try
        {
            await redis.Eval(UnlockLua, [seat], [token.UserId]);
        }
        catch (RedisUnavailableException)
        {
            // It ends by itself.
        }
    }

    /// <summary>Drops what is past, hands on what is free, adopts newer settings, and counts.</summary>
    public async Task<QueueCounts> Count(QueueSettings queue)
    {
        var reply = (RedisResult[])(await redis.Eval(CountLua, Keys(queue.Name), Arguments(queue)))!;
        clock.Learn((long)reply[4]);
        return new QueueCounts((long)reply[0], (long)reply[1], (int)reply[2], (int)reply[3]);
    }

    private async Task<RedisResult> Ask(string script, QueueToken token, RedisKey? seat = null)
    {
        return await redis.Eval(
            script,
            seat is { } key ? [.. Keys(token.Queue), key] : Keys(token.Queue),
            [.. Arguments(queues.OfToken(token.Queue)), token.UserId, token.Ticket, token.IssuedAt, token.AdmittedUntil, (long)SeatLockLife.TotalMilliseconds]);
    }

    private Place ReadPlace(RedisResult result)
    {
        var reply = (RedisResult[])result!;
        var now = (long)reply[6];
        clock.Learn(now);
        return new Place((PlaceStatus)(int)reply[0], (int)reply[1] == 1, (long)reply[2], (long)reply[3], (long)reply[4], (long)reply[5] / 1e6, now);
    }

    private RedisValue[] Arguments(QueueSettings queue) =>
        [queue.MaxActive, (long)queue.Active.TotalMilliseconds, queue.Version, (long)settings.QueueIdle.TotalMilliseconds];

    private static RedisKey[] Keys(string queue) =>
        [$"{{q:{queue}}}:waiting", $"{{q:{queue}}}:active", $"{{q:{queue}}}:seen", $"{{q:{queue}}}:gone", $"{{q:{queue}}}:meta"];

    private static RedisKey SeatKey(string queue, long scheduleId, int seatNo) => $"{{q:{queue}}}:seat:{scheduleId}:{seatNo}";
}

/// <summary>
/// Redis's clock as seen from here. Admissions end by that clock, so an instance whose own clock is wrong still
/// judges a pass rightly while Redis is away.
/// </summary>
internal sealed class RedisClock(TimeProvider time)
{
    private long _offsetMilliseconds;

    public long NowMilliseconds => time.GetUtcNow().ToUnixTimeMilliseconds() + Interlocked.Read(ref _offsetMilliseconds);

    /// <param name="nowMicroseconds">Redis's TIME in a reply that has just arrived.</param>
    public void Learn(long nowMicroseconds) =>
        Interlocked.Exchange(ref _offsetMilliseconds, (nowMicroseconds / 1000) - time.GetUtcNow().ToUnixTimeMilliseconds());
}
