using System.Globalization;
using StackExchange.Redis;

namespace ConcertBooking.Rankings;

/// <summary>A seat that was paid.</summary>
/// <param name="SeatCount">The schedule's current number of seats.</param>
internal sealed record SoldSeat(Guid PaymentId, long ConcertId, long ScheduleId, int SeatNo, DateTime PaidAt, int SeatCount);

/// <summary>
/// The rankings in Redis. A seat is sold only once, so a bitmap of counted seats makes counting idempotent: a payment counts
/// once, even if its event is redelivered or a rebuild reads it from MySQL too. A rebuild fills a new generation, which
/// replaces the current one when it is complete; events count in both meanwhile.
/// </summary>
internal sealed class Ranking(RedisClient redis)
{
    /// <summary>The prefix of all keys, see <see cref="RankingLua"/>; as a hash tag it also fixes their slot.</summary>
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
    /// Counts seats of events. Without a generation they are not counted: the next rebuild reads them from MySQL, where they
    /// were written before their events.
    /// </summary>
    public Task AddAsync(IReadOnlyList<SoldSeat> seats) => AddAsync("", seats);

    /// <summary>Counts seats in the generation that is being built.</summary>
    /// <returns>False when Redis has lost that generation.</returns>
    public async Task<bool> BuildAsync(string generation, IReadOnlyList<SoldSeat> seats) => (int)await AddAsync(generation, seats) == 1;

    /// <summary>Concerts and their seats sold in the last 24 hours, most first.</summary>
    public Task<List<(long Id, long Score)>> TopAsync(int limit) => ReadAsync(TopScript, limit);

    /// <summary>Schedules and the milliseconds in which they sold out, fastest first.</summary>
    public Task<List<(long Id, long Score)>> SoldOutAsync(int limit) => ReadAsync(SoldOutScript, limit);

    /// <summary>Starts a rebuild if there is no fresh generation and no other instance builds one.</summary>
    /// <returns>Whether the caller builds this generation.</returns>
    public async Task<bool> BeginAsync(string generation) => (int)await redis.EvalAsync(BeginScript, Root, [generation]) == 1;

    /// <summary>Makes the built generation the current one.</summary>
    public async Task<bool> EndAsync(string generation) => (int)await redis.EvalAsync(EndScript, Root, [generation]) == 1;

    /// <summary>Removes a part of an old generation.</summary>
    /// <returns>Whether there may be more.</returns>
    public async Task<bool> DiscardAsync() => (int)await redis.EvalAsync(DiscardScript, Root, []) == 1;

    /// <summary>The current generation and some payments that it counted, the newest among them.</summary>
    public async Task<(string Generation, List<Guid> Payments)> WitnessesAsync()
    {
        var reply = (string[])(await redis.EvalAsync(WitnessesScript, Root, []))!;
        return (reply.FirstOrDefault(""), [.. reply.Skip(1).Select(Guid.Parse)]);
    }

    /// <summary>Marks the generation as outdated, so that it is rebuilt.</summary>
    public Task OutdateAsync(string generation) => redis.EvalAsync(OutdateScript, Root, [generation]);

    private Task<RedisResult> AddAsync(string generation, IReadOnlyList<SoldSeat> seats)
    {
        // The newest payment of each second. Only the service's own ids (UUID version 7) rise with time.
        var witnesses = seats.Where(static seat => seat.PaymentId.Version == 7)
            .GroupBy(static seat => Milliseconds(seat.PaidAt) / 1000)
            .Select(static second => (Second: second.Key, Payment: second.Max(static seat => seat.PaymentId)))
            .OrderByDescending(static witness => witness.Second).Take(RankingLua.MaximumWitnesses).ToList();
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
