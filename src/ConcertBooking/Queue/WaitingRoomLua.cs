using ConcertBooking.Infrastructure;

namespace ConcertBooking.Queue;

/// <summary>
/// The waiting room's scripts: one call for all who ask at the same moment, all keys of a queue under one hash tag, and
/// each, like the channel, with the prefix of this installation before it.
/// <code>
/// {q:main}:waiting  zset  user → ticket number (µs since 1970, rising)
/// {q:main}:active   zset  user → end of admission (ms); whatever is past is dropped by the next call that looks
/// {q:main}:seen     zset  waiting user → last asked (ms)
/// {q:main}:gone     zset  user → when the place was given up (µs); tokens issued before are void
/// {q:main}:meta     hash  settings (maxActive, activeMs, rate, version), last ticket, birth of this data, pace;
///                          settle: until when (ms) nobody is admitted, because passes are still coming back;
///                          credit: admissions that the rate allows; share: how far instances in trouble throttle;
///                          grace: how many were active when the limit was lowered or passes came back
/// {q:main}:seat:S:N string user who has the seat, or is about to; for half a second
/// </code>
/// </summary>
internal static class WaitingRoomLua
{
    /// <summary>The channel on which each admission from a line is told: the queue's name and the users, by spaces.</summary>
    public const string AdmittedChannel = "concert-booking:admitted";

    /// <summary>Arguments that every script gets; its own follow.</summary>
    public const int CommonArguments = 9;

    /// <summary>
    /// Every script starts with this: the newest settings win, places past their end go, owners who stopped asking go.
    /// ARGV: maxActive, activeMs, version, rate, idleMs, settleMs, 1 if the caller knew somebody here, share, queue.
    /// </summary>
    private const string Prelude = $"local admittedChannel = KEYS[1]:match('^[^{{]*') .. '{AdmittedChannel}'\n" + """
        local waiting, active, seen, gone, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
        local time = redis.call('TIME')
        local nowUs = time[1] * 1000000 + time[2]
        local now = math.floor(nowUs / 1000)
        local idleMs, settleMs, share = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8])
        local known = redis.call('HMGET', meta, 'maxActive', 'activeMs', 'version', 'rate', 'born', 'last', 'pace', 'paceAt',
          'settle', 'credit', 'creditAt', 'share', 'shareUntil')
        if tonumber(ARGV[3]) > tonumber(known[3] or -1) then
          redis.call('HSET', meta, 'maxActive', ARGV[1], 'activeMs', ARGV[2], 'version', ARGV[3], 'rate', ARGV[4],
            'grace', redis.call('ZCARD', active))
          known[1], known[2], known[4] = ARGV[1], ARGV[2], ARGV[4]
        end
        local maxActive, activeMs, rate = tonumber(known[1]), tonumber(known[2]), tonumber(known[4] or 0)
        local born, settle = tonumber(known[5] or nowUs), tonumber(known[9] or 0)
        local last = tonumber(known[6] or 0)
        local pace, paceAt = tonumber(known[7] or 0), tonumber(known[8] or now)

        -- After a loss of data nobody is admitted before those who carry passes had time to show them.
        local function lost()
          local ends = math.floor(born / 1000) + settleMs
          if ends > settle then
            settle = ends
            redis.call('HSET', meta, 'settle', settle)
          end
        end
        if not known[5] then
          redis.call('HSET', meta, 'born', nowUs)
          if ARGV[7] == '1' then lost() end
        end

        -- An instance in trouble slows the queue for all, and for a moment longer than its next word takes.
        local told = tonumber(known[13] or 0) > now and tonumber(known[12]) or 1
        if share < told then redis.call('HSET', meta, 'share', ARGV[8], 'shareUntil', now + 1000) end
        share = math.min(share, told)

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

        -- How many may be admitted now. A rate is a bucket of a quarter of a second, so that the sweep alone can
        -- keep the pace; throttled, a queue still admits one a second.
        local function free()
          local places = maxActive - redis.call('ZCARD', active)
          if places <= 0 or now < settle then return 0 end
          local perSecond = rate
          if share < 1 then
            local throttled = math.max(1, maxActive * share)
            perSecond = rate > 0 and math.min(rate, throttled) or throttled
          end
          if perSecond <= 0 then return places end
          local bucket = math.max(1, perSecond / 4)
          local credit = tonumber(known[10] or bucket) + (now - tonumber(known[11] or now)) * perSecond / 1000
          return math.min(places, math.floor(math.min(bucket, credit))), math.min(bucket, credit)
        end

        -- Hands free places to the next in line. Only those who had to wait count for the pace, which is a rate
        -- per second that forgets with a time constant of a minute.
        local waits = {}
        local function admit(newcomer)
          local places, credit = free()
          if places <= 0 then return end
          local nextInLine = redis.call('ZPOPMIN', waiting, math.min(places, 1000))
          if #nextInLine == 0 then return end
          local admitted = {ARGV[9]}
          for i = 1, #nextInLine, 2 do
            redis.call('ZADD', active, now + activeMs, nextInLine[i])
            redis.call('ZREM', seen, nextInLine[i])
            waits[#waits + 1] = math.max(0, math.floor(now - nextInLine[i + 1] / 1000))
            if nextInLine[i] ~= newcomer then admitted[#admitted + 1] = nextInLine[i] end
          end
          if credit then
            known[10], known[11] = credit - #nextInLine / 2, now
            redis.call('HSET', meta, 'credit', tostring(known[10]), 'creditAt', now)
          end
          if #admitted > 1 then
            pace, paceAt = currentPace() + (#admitted - 1) / 60, now
            redis.call('HSET', meta, 'pace', tostring(pace), 'paceAt', now)
            redis.call('PUBLISH', admittedChannel, table.concat(admitted, ' '))
          end
        end

        """;

    /// <summary>
    /// Whether a token still stands for a place. A user that Redis does not know although the token is fresh was
    /// lost with Redis's data and gets the old order, or the rest of the admission, back; the hour bounds how long
    /// an outage may have lasted.
    /// </summary>
    private const string Recognise = """
        local function recognise(user, ticket, issued, ends)
          local left = redis.call('ZSCORE', gone, user)
          if left and issued <= tonumber(left) then return false end
          if redis.call('ZSCORE', active, user) then return true end
          if redis.call('ZSCORE', waiting, user) then
            redis.call('ZADD', seen, now, user)
            return true
          end
          if ends > 0 then
            if ends <= now then return false end
            if issued < born then lost() end
            redis.call('ZADD', active, ends, user)
            redis.call('HSET', meta, 'grace', redis.call('ZCARD', active))
            return true
          end
          if nowUs - math.max(issued, born) > idleMs * 1000 or born - issued > 3600 * 1000000 then return false end
          if issued < born then lost() end
          redis.call('ZADD', waiting, ticket, user)
          redis.call('ZADD', seen, now, user)
          if ticket > last then
            last = ticket
            redis.call('HSET', meta, 'last', ticket)
          end
          return true
        end

        """;

    /// <summary>
    /// What visitors want, in their order, each as if it had called alone, a microsecond after the one before. ARGV: the
    /// most that may wait, the life of a seat's lock in ms; then of each: what, user, ticket, time of issue, end of
    /// admission. Told: {now, waits of those admitted by this call in ms, pace in millionths}, then of each: status,
    /// new, ticket, end, position.
    /// <list type="bullet">
    /// <item>enter: a user has one place however often it enters; a new one goes to the end of the line.</item>
    /// <item>look, leave: a place's own. It is gone, or was before it was left, with status 0.</item>
    /// <item>check: whether the user is admitted.</item>
    /// <item>hold: the same, and the short lock of the next seat of KEYS. It only answers losers cheaply: it lives for a
    /// moment, never waits, and lets its own user through, because MySQL decides. Status 3: somebody else has it.</item>
    /// </list>
    /// </summary>
    public static readonly RedisScript Visit = new(Prelude + Recognise + """
        local maxWaiting, lockMs, seats = tonumber(ARGV[10]), ARGV[11], 5

        local function place(user, created, ticket)
          local ends = redis.call('ZSCORE', active, user)
          if ends then return 2, created, ticket, tonumber(ends), 0 end
          local score = redis.call('ZSCORE', waiting, user)
          return 1, created, tonumber(score), 0, redis.call('ZRANK', waiting, user) + 1
        end
        local function enter(user)
          local created, ticket = 0, 0
          if not redis.call('ZSCORE', active, user) then
            local score = redis.call('ZSCORE', waiting, user)
            if score then
              ticket = tonumber(score)
            else
              if redis.call('ZCARD', waiting) >= maxWaiting then
                admit('')
                return 3, 0, 0, 0, 0
              end
              created, ticket = 1, math.max(last + 1, nowUs)
              last = ticket
              redis.call('HSET', meta, 'last', ticket)
              redis.call('ZADD', waiting, ticket, user)
            end
            redis.call('ZADD', seen, now, user)
          end
          admit(created == 1 and user or '')
          return place(user, created, ticket)
        end
        local function look(user, had, ticket)
          admit('')
          if had then return place(user, 0, ticket) end
          return 0, 0, 0, 0, 0
        end
        local function leave(user, had)
          if had then forget(user) end
          admit('')
          return had and 2 or 0, 0, 0, 0, 0
        end
        local function check(user, had)
          if not had then return 0, 0, 0, 0, 0 end
          if not redis.call('ZSCORE', active, user) then
            admit('')
            if not redis.call('ZSCORE', active, user) then return 1, 0, 0, 0, 0 end
          end
          return 2, 0, 0, 0, 0
        end
        local function hold(user, had)
          seats = seats + 1
          local status = check(user, had)
          local seat = KEYS[seats]
          if status == 2 and not redis.call('SET', seat, user, 'NX', 'PX', lockMs) and redis.call('GET', seat) ~= user then
            status = 3
          end
          return status, 0, 0, 0, 0
        end

        local wants = {enter = enter, look = look, leave = leave, check = check, hold = hold}
        local answers = {nowUs, waits, 0}
        for i = 12, #ARGV, 5 do
          local want, user, ticket = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
          local had = want ~= 'enter' and recognise(user, ticket, tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]))
          local at = #answers
          answers[at + 1], answers[at + 2], answers[at + 3], answers[at + 4], answers[at + 5] = wants[want](user, had, ticket)
          nowUs = nowUs + 1
        end
        answers[3] = math.floor(currentPace() * 1000000)
        return answers
        """);

    /// <summary>The places of many, who thereby have asked. ARGV: user, ticket and time of issue of each; status, end and position of each are told.</summary>
    public static readonly RedisScript Watch = new(Prelude + Recognise + """
        local still = {}
        for i = 10, #ARGV, 3 do still[i] = recognise(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), 0) end
        admit('')
        local answers = {nowUs, waits, math.floor(currentPace() * 1000000)}
        for i = 10, #ARGV, 3 do
          local ends = still[i] and redis.call('ZSCORE', active, ARGV[i])
          local rank = still[i] and not ends and redis.call('ZRANK', waiting, ARGV[i])
          local at = #answers
          answers[at + 1] = ends and 2 or rank and 1 or 0
          answers[at + 2] = tonumber(ends or 0)
          answers[at + 3] = rank and rank + 1 or 0
        end
        return answers
        """);

    public static readonly RedisScript Count = new(Prelude + """
        admit('')
        return {nowUs, waits, redis.call('ZCARD', waiting), redis.call('ZCARD', active), maxActive, activeMs / 1000, rate}
        """);

    /// <summary>Ends a user's lock, or leaves what is to come of it to the seat's owner. ARGV: user, owner or nothing, life in ms.</summary>
    public static readonly RedisScript Unlock = new("""
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return end
        if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
        """);

    public static readonly RedisScript Free = new("redis.call('DEL', KEYS[1])");
}
