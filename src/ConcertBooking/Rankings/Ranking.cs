using System.Globalization;
using StackExchange.Redis;

namespace ConcertBooking.Rankings;

/// <summary>A seat that was paid.</summary>
/// <param name="SeatCount">Of the schedule, as it is now.</param>
internal sealed record SoldSeat(Guid PaymentId, long ConcertId, long ScheduleId, int SeatNo, DateTime PaidAt, int SeatCount);

/// <summary>
/// What is ranked, in Redis. A seat is sold once and for good, so one bit a seat tells whether it was counted: the same
/// payment counts once, whether its event comes twice or a rebuild reads it from MySQL too. A rebuild fills a generation
/// of its own, which takes the place of the current one when it is complete; events count in both meanwhile.
/// </summary>
internal sealed class Ranking(RedisClient redis)
{
    /// <summary>What all keys begin with, see <see cref="RankingLua"/>; it also names the slot.</summary>
    private static readonly RedisKey[] Root = ["{rank}:"];

    private static readonly RedisScript AddScript = new(RankingLua.Add);
    private static readonly RedisScript TopScript = new(RankingLua.Top);
    private static readonly RedisScript SoldOutScript = new(RankingLua.SoldOut);
    private static readonly RedisScript BeginScript = new(RankingLua.Begin);
    private static readonly RedisScript EndScript = new(RankingLua.End);
    private static readonly RedisScript DiscardScript = new(RankingLua.Discard);
    private static readonly RedisScript WitnessesScript = new(RankingLua.Witnesses);
    private static readonly RedisScript OutdateScript = new(RankingLua.Outdate);

    /// <summary>
    /// Counts seats of events. Where there is no generation they are not counted: the rebuild that comes reads them from
    /// MySQL, where they were written before their events.
    /// </summary>
    public Task AddAsync(IReadOnlyList<SoldSeat> seats) => AddAsync("", seats);

    /// <summary>Counts seats in the generation that is being built.</summary>
    /// <returns>Whether it still is: Redis may have lost it.</returns>
    public async Task<bool> BuildAsync(string generation, IReadOnlyList<SoldSeat> seats) => (int)await AddAsync(generation, seats) == 1;

    /// <summary>Concerts and their seats sold in the last 24 hours, most first.</summary>
    public Task<List<(long Id, long Score)>> TopAsync(int limit) => ReadAsync(TopScript, limit);

    /// <summary>Schedules and the milliseconds in which they sold out, fastest first.</summary>
    public Task<List<(long Id, long Score)>> SoldOutAsync(int limit) => ReadAsync(SoldOutScript, limit);

    /// <summary>Whether the caller is to build this generation: there is none, or none that is fresh, and nobody else builds.</summary>
    public async Task<bool> BeginAsync(string generation) => (int)await redis.EvalAsync(BeginScript, Root, [generation]) == 1;

    /// <summary>Puts it in the place of the current one.</summary>
    public async Task<bool> EndAsync(string generation) => (int)await redis.EvalAsync(EndScript, Root, [generation]) == 1;

    /// <summary>Removes some of a generation that nobody reads any more.</summary>
    /// <returns>Whether there may be more.</returns>
    public async Task<bool> DiscardAsync() => (int)await redis.EvalAsync(DiscardScript, Root, []) == 1;

    /// <summary>The current generation and some payments that it counted, the newest among them.</summary>
    public async Task<(string Generation, List<Guid> Payments)> WitnessesAsync()
    {
        var reply = (string[])(await redis.EvalAsync(WitnessesScript, Root, []))!;
        return (reply.FirstOrDefault(""), [.. reply.Skip(1).Select(Guid.Parse)]);
    }

    /// <summary>The generation is to be replaced now.</summary>
    public Task OutdateAsync(string generation) => redis.EvalAsync(OutdateScript, Root, [generation]);

    private Task<RedisResult> AddAsync(string generation, IReadOnlyList<SoldSeat> seats)
    {
        // Of each second the newest payment; ids of the service's own rise with time, others bear no witness.
        var witnesses = seats.Where(static seat => seat.PaymentId.Version == 7)
            .GroupBy(static seat => Milliseconds(seat.PaidAt) / 1000)
            .Select(static second => (Second: second.Key, Payment: second.Max(static seat => seat.PaymentId)))
            .OrderByDescending(static witness => witness.Second).Take(RankingLua.MostWitnesses).ToList();
        return redis.EvalAsync(AddScript, Root,
        [
            generation, witnesses.Count,
            .. witnesses.SelectMany(static witness => (RedisValue[])[witness.Second, witness.Payment.ToString()]),
            .. seats.SelectMany(static seat => (RedisValue[])
                [seat.ConcertId, seat.ScheduleId, seat.SeatNo, Milliseconds(seat.PaidAt), seat.SeatCount]),
        ]);
    }

    private static long Milliseconds(DateTime moment) => new DateTimeOffset(moment, TimeSpan.Zero).ToUnixTimeMilliseconds();

    private async Task<List<(long, long)>> ReadAsync(RedisScript script, int limit)
    {
        var reply = (string[])(await redis.EvalAsync(script, Root, [limit]))!;
        return [.. reply.Chunk(2).Select(static pair =>
            (long.Parse(pair[0], CultureInfo.InvariantCulture), (long)double.Parse(pair[1], CultureInfo.InvariantCulture)))];
    }
}
