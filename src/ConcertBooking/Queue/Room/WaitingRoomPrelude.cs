namespace ConcertBooking.Queue.Room;

/// <summary>What every script of the waiting room begins with: clock, loss detection, settings, sweep and admission.</summary>
internal static class WaitingRoomPrelude
{
    /// <summary>Members that one script removes from each set at most, so that it blocks Redis for a few milliseconds only.</summary>
    private const string Limits = "local limit, quietMs, hourUs = 500, 500, 3600 * 1000000\n";

    /// <summary>
    /// The queue's clock is strictly monotonic: Redis's TIME, plus a skew while TIME is behind an earlier reading; then the
    /// clock runs a tenth slower until TIME has caught up. If no script ran for 5 s, no client could poll, because Redis or all
    /// instances were down: that time does not count as idle.
    /// </summary>
    private const string Clock = """
        local waiting, active, seen, gone, meta, doubted, shown = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
        local idleMs, settleMs, share = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8])
        local known = redis.call('HMGET', meta, 'maxActive', 'activeMs', 'version', 'rate', 'born', 'last', 'pace', 'paceAt',
          'settle', 'credit', 'creditAt', 'share', 'shareUntil', 'clock', 'rare')
        local rare = known[15] and redis.call('HMGET', meta, 'skew', 'deaf', 'loss', 'longest', 'grace') or {}
        local function keep(name, value) redis.call('HSET', meta, 'rare', 1, name, value) end
        local clock, skew, deaf = tonumber(known[14] or 0), tonumber(rare[1] or 0), tonumber(rare[2] or 0)
        local callers = tonumber(ARGV[7])
        local least = math.max(clock, callers)
        local time = redis.call('TIME')
        local nowUs = time[1] * 1000000 + time[2] + skew
        if skew > 0 and nowUs > least then
          local slower = math.min(skew, math.floor((nowUs - least) / 10))
          skew, nowUs = skew - slower, nowUs - slower
        end
        if nowUs <= least then
          if least - nowUs > 1000 then skew = skew + least - nowUs end
          nowUs = least + 1
        end
        local now = math.floor(nowUs / 1000)
        local gap = clock > 0 and now - math.floor(clock / 1000) or 0
        if gap > math.min(5000, idleMs / 2) and gap * 1000 <= hourUs then
          deaf = deaf + gap
          keep('deaf', deaf)
        end
        local heard = now - deaf
        if skew ~= tonumber(rare[1] or 0) then keep('skew', skew) end

        """;

    /// <summary>
    /// Detects lost writes: an instance has seen a later clock than this data's, or another Redis server wrote last. Then no user
    /// is admitted for a while, so that passes can be presented; an active user is active again once its token was presented.
    /// Tokens issued between `from` and `to` are missing in this data; the data that remained ended at `dataEnd`.
    /// </summary>
    private const string Losses = """
        local settle, from, to, lostHeard, dataEnd = tonumber(known[9] or 0), 0, 0, 0, 0
        if rare[3] then
          local a, b, c, d = string.match(rare[3], '(%d+) (%d+) (%d+) (%d+)')
          from, to, lostHeard, dataEnd = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
        end
        local function startSettling()
          settle = now + settleMs
          redis.call('HSET', meta, 'settle', settle)
        end
        if not known[5] or callers > clock or callers == 0 or gap > quietMs then
          local info, run = redis.pcall('INFO', 'server'), redis.call('HGET', meta, 'run')
          local writes = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or run or ''
          if writes ~= run then redis.call('HSET', meta, 'run', writes) end
          if not known[5] then redis.call('HSET', meta, 'born', nowUs) end
          if ARGV[10] ~= '1' and (not known[5] or clock > 0 and (callers > clock or run and writes ~= run)) then
            from = to > 0 and heard - lostHeard < idleMs and math.min(from, clock) or clock
            to, lostHeard, dataEnd, rare[5] = nowUs, heard, clock, false
            keep('loss', string.format('%.0f %.0f %.0f %.0f', from, to, lostHeard, dataEnd))
            redis.call('HDEL', meta, 'grace')
            startSettling()
            redis.call('UNLINK', doubted, shown)
            if redis.call('EXISTS', active) == 1 then
              redis.call('RENAME', active, doubted)
              redis.call('PEXPIRE', doubted, math.max(1, settleMs))
            end
          end
        end

        """;

    /// <summary>
    /// The newest settings win. Users admitted before them stay: `grace` is their number, `longest` the lifetime of their tokens.
    /// </summary>
    private const string Settings = """
        local longest, longestUntil = 0, 0
        if rare[4] then
          local a, b = string.match(rare[4], '(%d+) (%d+)')
          longest, longestUntil = tonumber(a), tonumber(b)
        end
        local function keepLongest(ms)
          longest, longestUntil = math.max(ms, now < longestUntil and longest or 0), math.max(now + ms, longestUntil)
          keep('longest', string.format('%.0f %.0f', longest, longestUntil))
        end
        if tonumber(ARGV[3]) > tonumber(known[3] or -1) then
          redis.call('HSET', meta, 'maxActive', ARGV[1], 'activeMs', ARGV[2], 'version', ARGV[3], 'rate', ARGV[4])
          if known[2] and tonumber(known[2]) > tonumber(ARGV[2]) then keepLongest(tonumber(known[2])) end
          if tonumber(ARGV[1]) < tonumber(known[1] or 0) then
            rare[5] = redis.call('ZCARD', active)
            keep('grace', rare[5])
          end
          known[1], known[2], known[4] = ARGV[1], ARGV[2], ARGV[4]
        end
        local maxActive, activeMs, rate = tonumber(known[1]), tonumber(known[2]), tonumber(known[4] or 0)
        local last = tonumber(known[6] or 0)
        local pace, paceAt = tonumber(known[7] or 0), tonumber(known[8] or now)

        -- An overloaded instance throttles the queue for all instances, until some time after its next call is due.
        local lowestShare = tonumber(known[13] or 0) > now and tonumber(known[12]) or 1
        if share < lowestShare then redis.call('HSET', meta, 'share', ARGV[8], 'shareUntil', now + 1000) end
        share = math.min(share, lowestShare)

        """;

    /// <summary>
    /// Removes ended admissions and waiting users who stopped polling. `more` is 1 if a limit was reached; ended admissions do
    /// not count, removed or not. A mark in `gone` revokes all tokens issued before this script.
    /// </summary>
    private const string Sweep = """
        redis.call('HSET', meta, 'clock', nowUs + 20)
        local more = 0
        local function mark(users)
          local marks = {}
          for _, user in ipairs(users) do
            marks[#marks + 1] = nowUs - 1
            marks[#marks + 1] = user
          end
          redis.call('ZADD', gone, unpack(marks))
        end
        local function forget(user)
          redis.call('ZREM', waiting, user)
          redis.call('ZREM', active, user)
          redis.call('ZREM', seen, user)
          redis.call('ZREM', shown, user)
          redis.call('ZADD', gone, nowUs - 1, user)
        end
        local ended = redis.call('ZRANGEBYSCORE', active, '-inf', now, 'LIMIT', 0, limit)
        if #ended > 0 then
          redis.call('ZREMRANGEBYRANK', active, 0, #ended - 1)
          redis.call('ZREM', shown, unpack(ended))
          mark(ended)
        end
        local silent = redis.call('ZRANGEBYSCORE', seen, '-inf', heard - idleMs, 'LIMIT', 0, limit)
        if #silent > 0 then
          redis.call('ZREMRANGEBYRANK', seen, 0, #silent - 1)
          redis.call('ZREM', waiting, unpack(silent))
          mark(silent)
        end
        if #ended == limit or #silent == limit then more = 1 end
        local function countActive()
          return #ended == limit and redis.call('ZCOUNT', active, '(' .. now, '+inf') or redis.call('ZCARD', active)
        end
        if rare[5] then
          local height = countActive()
          if height <= maxActive then redis.call('HDEL', meta, 'grace')
          elseif height < tonumber(rare[5]) then keep('grace', height) end
        end

        """;

    private const string Admission = """
        local function currentPace() return pace * math.exp((paceAt - now) / 60000) end

        -- How many may be admitted now. A rate limit is a token bucket of a quarter of a second, so that the sweep alone
        -- keeps the rate; a throttled queue still admits one user a second.
        local function free()
          local places = maxActive - countActive()
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

        -- Admits the next users in the queue. Only users who had to wait count for the pace, an exponential moving average
        -- per second with a time constant of a minute.
        local waits = {}
        local function admit(newcomer)
          local places, credit = free()
          if places <= 0 then return end
          local nextInLine = redis.call('ZPOPMIN', waiting, math.min(places, limit))
          if #nextInLine == 0 then return end
          local admitted, before = {ARGV[9]}, #waits
          for i = 1, #nextInLine, 2 do
            local user = nextInLine[i]
            if #silent == limit and tonumber(redis.call('ZSCORE', seen, user) or heard) <= heard - idleMs then
              forget(user)
            else
              redis.call('ZADD', active, now + activeMs, user)
              redis.call('ZREM', seen, user)
              waits[#waits + 1] = math.max(0, math.floor(now - nextInLine[i + 1] / 1000))
              if user ~= newcomer then admitted[#admitted + 1] = user end
            end
          end
          if #waits > before then redis.call('HINCRBY', meta, 'admitted', #waits - before) end
          if places > limit and #nextInLine == 2 * limit then more = 1 end
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
    /// ARGV: maxActive, activeMs, version, rate, idleMs, settleMs, the latest clock that the caller has seen here (0: none),
    /// share, queue, 1 if nobody has ever entered the queue.
    /// </summary>
    public const string Text = $"local admittedChannel = KEYS[1]:match('^[^{{]*') .. '{WaitingRoomLua.AdmittedChannel}'\n"
        + Limits + Clock + Losses + Settings + Sweep + Admission;
}
