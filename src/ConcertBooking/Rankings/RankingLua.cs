namespace ConcertBooking.Rankings;

/// <summary>
/// The Lua scripts of the rankings. KEYS[1] is the prefix of all keys:
/// <code>
/// current                   string   the generation that is read
/// fresh                     string   present for a day after it was built
/// building                  string   the generation that is being built
/// generations               set      generations whose keys may exist
/// GENERATION:schedules      set      its schedules
/// GENERATION:seats:SCHEDULE bits     the seats that were counted
/// GENERATION:sale:SCHEDULE  hash     sold, first and last payment (ms)
/// GENERATION:sold:QUARTER   zset     concert -> seats sold in that quarter of an hour
/// GENERATION:top            zset     the sum of the last 24 hours, kept for a second
/// GENERATION:soldout        zset     schedule -> ms from first to last payment
/// GENERATION:witnesses      zset     payment -> second: of the last 100 seconds with payments the newest each
/// </code>
/// </summary>
internal static class RankingLua
{
    public const int MaximumWitnesses = 100;

    private const string Current = """
        local root = KEYS[1]
        local generation = redis.call('GET', root .. 'current') or redis.call('GET', root .. 'building')
        if not generation then return {} end
        generation = root .. generation .. ':'

        """;

    /// <summary>
    /// ARGV: the generation being built, or an empty string for all generations; the number of witnesses, second and payment
    /// of each; concert, schedule, seat, time and seat count of each payment. Idempotent: only a seat whose bit changes is
    /// counted.
    /// </summary>
    public static readonly string Add = $$"""
        local root = KEYS[1]
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local building = redis.call('GET', root .. 'building')
        local current = redis.call('GET', root .. 'current')
        local generations = {}
        if ARGV[1] == '' then
          if current then generations[1] = root .. current .. ':' end
          if building then generations[#generations + 1] = root .. building .. ':' end
        else
          if building ~= ARGV[1] then return 0 end
          redis.call('EXPIRE', root .. 'building', 60)
          generations[1] = root .. building .. ':'
        end
        local first_seat = 3 + 2 * tonumber(ARGV[2])
        for _, generation in ipairs(generations) do
          for i = 3, first_seat - 1, 2 do
            local known = redis.call('ZRANGEBYSCORE', generation .. 'witnesses', ARGV[i], ARGV[i], 'LIMIT', 0, 1)[1]
            if not known or known < ARGV[i + 1] then
              redis.call('ZREMRANGEBYSCORE', generation .. 'witnesses', ARGV[i], ARGV[i])
              redis.call('ZADD', generation .. 'witnesses', ARGV[i], ARGV[i + 1])
              redis.call('ZREMRANGEBYRANK', generation .. 'witnesses', 0, -{{MaximumWitnesses + 1}})
            end
          end
          for i = first_seat, #ARGV, 5 do
            local concert, schedule, paid = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 3])
            if redis.call('SETBIT', generation .. 'seats:' .. schedule, ARGV[i + 2], 1) == 0 then
              local quarter = math.floor(paid / 900000)
              if paid > now - 87300000 then
                local bucket = generation .. 'sold:' .. string.format('%d', quarter)
                redis.call('ZINCRBY', bucket, 1, concert)
                redis.call('PEXPIREAT', bucket, string.format('%d', (quarter + 1) * 900000 + 87300000))
              end
              local sale = generation .. 'sale:' .. schedule
              local known = redis.call('HMGET', sale, 'first', 'last')
              local first, last = math.min(paid, tonumber(known[1] or paid)), math.max(paid, tonumber(known[2] or paid))
              redis.call('HSET', sale, 'first', string.format('%d', first), 'last', string.format('%d', last))
              local sold = redis.call('HINCRBY', sale, 'sold', 1)
              if sold == 1 then redis.call('SADD', generation .. 'schedules', schedule) end
              if sold >= tonumber(ARGV[i + 4]) then
                redis.call('ZADD', generation .. 'soldout', string.format('%d', last - first), schedule)
              end
            end
          end
        end
        return 1
        """;

    /// <summary>The quarters of an hour that began within the last 24 hours, summed once a second.</summary>
    public const string Top = Current + """
        if redis.call('EXISTS', generation .. 'top') == 0 then
          local quarter = math.floor(redis.call('TIME')[1] / 900)
          local keys = {}
          for i = 0, 95 do keys[i + 1] = generation .. 'sold:' .. string.format('%d', quarter - i) end
          redis.call('ZUNIONSTORE', generation .. 'top', #keys, unpack(keys))
          redis.call('PEXPIRE', generation .. 'top', 1000)
        end
        return redis.call('ZREVRANGE', generation .. 'top', 0, ARGV[1] - 1, 'WITHSCORES')
        """;

    public const string SoldOut = Current + "return redis.call('ZRANGE', generation .. 'soldout', 0, ARGV[1] - 1, 'WITHSCORES')";

    public const string Begin = """
        local root = KEYS[1]
        if redis.call('EXISTS', root .. 'current', root .. 'fresh') == 2 then return 0 end
        if not redis.call('SET', root .. 'building', ARGV[1], 'NX', 'EX', 60) then return 0 end
        redis.call('SADD', root .. 'generations', ARGV[1])
        return 1
        """;

    /// <summary>
    /// Fails if Redis lost its data meanwhile, and the generation's name with it. The rankings are rebuilt once a day, because
    /// a failover to a replica may have lost the last writes unnoticed.
    /// </summary>
    public const string End = """
        local root = KEYS[1]
        if redis.call('GET', root .. 'building') ~= ARGV[1] then return 0 end
        redis.call('SET', root .. 'current', ARGV[1])
        redis.call('SET', root .. 'fresh', ARGV[1], 'EX', 86400)
        redis.call('DEL', root .. 'building')
        return 1
        """;

    /// <summary>A hundred schedules at a time, so that Redis is not blocked; the quarters of an hour expire by themselves.</summary>
    public const string Discard = """
        local root = KEYS[1]
        local current, building = redis.call('GET', root .. 'current'), redis.call('GET', root .. 'building')
        for _, name in ipairs(redis.call('SMEMBERS', root .. 'generations')) do
          if name ~= current and name ~= building then
            local generation = root .. name .. ':'
            local schedules = redis.call('SPOP', generation .. 'schedules', 100)
            for _, schedule in ipairs(schedules) do
              redis.call('UNLINK', generation .. 'seats:' .. schedule, generation .. 'sale:' .. schedule)
            end
            if #schedules < 100 then
              redis.call('UNLINK', generation .. 'soldout', generation .. 'top', generation .. 'witnesses')
              redis.call('SREM', root .. 'generations', name)
            end
            return 1
          end
        end
        return 0
        """;

    public const string Witnesses = """
        local root = KEYS[1]
        local generation = redis.call('GET', root .. 'current')
        if not generation then return {} end
        local reply = redis.call('ZRANGE', root .. generation .. ':witnesses', 0, -1)
        table.insert(reply, 1, generation)
        return reply
        """;

    public const string Outdate = """
        local root = KEYS[1]
        if redis.call('GET', root .. 'current') == ARGV[1] then redis.call('DEL', root .. 'fresh') end
        return 0
        """;
}
