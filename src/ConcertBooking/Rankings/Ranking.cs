using System.Globalization;
using ConcertBooking.Infrastructure;
using StackExchange.Redis;

namespace ConcertBooking.Rankings;

/// <summary>A seat that was paid.</summary>
/// <param name="SeatCount">Of the schedule, as it is now.</param>
internal sealed record SoldSeat(long ConcertId, long ScheduleId, int SeatNo, DateTime PaidAt, int SeatCount);

/// <summary>
/// What is ranked, in Redis. A seat is sold once and for good, so one bit a seat tells whether it was counted: the same
/// payment counts once, whether its event comes twice or a rebuild reads it from MySQL too.
/// <code>
/// {rank}:built              string   present while the ranking is complete
/// {rank}:building           string   token of the rebuild that runs
/// {rank}:seats:SCHEDULE     bits     the seats that were counted
/// {rank}:sale:SCHEDULE      hash     sold, first and last payment (ms)
/// {rank}:sold:QUARTER       zset     concert -> seats sold in that quarter of an hour
/// {rank}:top                zset     the sum of the last 24 hours, kept for a second
/// {rank}:soldout            zset     schedule -> ms from first to last payment
/// </code>
/// </summary>
internal sealed class Ranking(Redis redis)
{
    private static readonly RedisKey[] Key = ["{rank}:"]; // all keys begin with it, and so with the prefix of this installation

    /// <summary>Repeatable: only a seat whose bit changes is counted.</summary>
    private static readonly RedisScript AddScript = new("""
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        for i = 1, #ARGV, 5 do
          local concert, schedule, paid = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 3])
          if redis.call('SETBIT', KEYS[1] .. 'seats:' .. schedule, ARGV[i + 2], 1) == 0 then
            local quarter = math.floor(paid / 900000)
            if paid > now - 87300000 then
              local bucket = KEYS[1] .. 'sold:' .. string.format('%d', quarter)
              redis.call('ZINCRBY', bucket, 1, concert)
              redis.call('PEXPIREAT', bucket, string.format('%d', (quarter + 1) * 900000 + 87300000))
            end
            local sale = KEYS[1] .. 'sale:' .. schedule
            local known = redis.call('HMGET', sale, 'first', 'last')
            local first, last = math.min(paid, tonumber(known[1] or paid)), math.max(paid, tonumber(known[2] or paid))
            redis.call('HSET', sale, 'first', string.format('%d', first), 'last', string.format('%d', last))
            if redis.call('HINCRBY', sale, 'sold', 1) >= tonumber(ARGV[i + 4]) then
              redis.call('ZADD', KEYS[1] .. 'soldout', string.format('%d', last - first), schedule)
            end
          end
        end
        return 0
        """);

    /// <summary>The quarters of an hour that began within the last 24 hours, summed once a second.</summary>
    private static readonly RedisScript TopScript = new("""
        if redis.call('EXISTS', KEYS[1] .. 'top') == 0 then
          local quarter = math.floor(redis.call('TIME')[1] / 900)
          local keys = {}
          for i = 0, 95 do keys[i + 1] = KEYS[1] .. 'sold:' .. string.format('%d', quarter - i) end
          redis.call('ZUNIONSTORE', KEYS[1] .. 'top', #keys, unpack(keys))
          redis.call('PEXPIRE', KEYS[1] .. 'top', 1000)
        end
        return redis.call('ZREVRANGE', KEYS[1] .. 'top', 0, ARGV[1] - 1, 'WITHSCORES')
        """);

    private static readonly RedisScript SoldOutScript = new("return redis.call('ZRANGE', KEYS[1] .. 'soldout', 0, ARGV[1] - 1, 'WITHSCORES')");

    /// <summary>Whether the caller is to rebuild: the ranking is not complete, and nobody else has begun.</summary>
    private static readonly RedisScript BeginScript = new("""
        if redis.call('EXISTS', KEYS[1] .. 'built') == 1 then return 0 end
        return redis.call('SET', KEYS[1] .. 'building', ARGV[1], 'NX', 'EX', 60) and 1 or 0
        """);

    private static readonly RedisScript GoOnScript = new("""
        if redis.call('GET', KEYS[1] .. 'building') ~= ARGV[1] then return 0 end
        redis.call('EXPIRE', KEYS[1] .. 'building', 60)
        return 1
        """);

    /// <summary>
    /// Complete only if the data was not lost again meanwhile, for then the token was lost with it. Once a day it is
    /// checked anew against MySQL, because a failover to a replica may have lost the last writes unnoticed.
    /// </summary>
    private static readonly RedisScript EndScript = new("""
        if redis.call('GET', KEYS[1] .. 'building') ~= ARGV[1] then return 0 end
        redis.call('SET', KEYS[1] .. 'built', ARGV[1], 'EX', 86400)
        redis.call('DEL', KEYS[1] .. 'building')
        return 1
        """);

    public Task Add(IEnumerable<SoldSeat> seats) => redis.Eval(
        AddScript, Key, [.. seats.SelectMany(static seat => (RedisValue[])
        [
            seat.ConcertId, seat.ScheduleId, seat.SeatNo, new DateTimeOffset(seat.PaidAt, TimeSpan.Zero).ToUnixTimeMilliseconds(), seat.SeatCount,
        ])]);

    /// <summary>Concerts and their seats sold in the last 24 hours, most first.</summary>
    public Task<List<(long Id, long Score)>> Top(int limit) => Read(TopScript, limit);

    /// <summary>Schedules and the milliseconds in which they sold out, fastest first.</summary>
    public Task<List<(long Id, long Score)>> SoldOut(int limit) => Read(SoldOutScript, limit);

    public async Task<bool> Begin(string token) => (int)await redis.Eval(BeginScript, Key, [token]) == 1;

    public async Task<bool> GoOn(string token) => (int)await redis.Eval(GoOnScript, Key, [token]) == 1;

    public async Task<bool> End(string token) => (int)await redis.Eval(EndScript, Key, [token]) == 1;

    private async Task<List<(long, long)>> Read(RedisScript script, int limit)
    {
        var reply = (string[])(await redis.Eval(script, Key, [limit]))!;
        return [.. reply.Chunk(2).Select(static pair =>
            (long.Parse(pair[0], CultureInfo.InvariantCulture), (long)double.Parse(pair[1], CultureInfo.InvariantCulture)))];
    }
}
