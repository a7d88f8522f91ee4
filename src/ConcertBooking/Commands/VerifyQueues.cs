using ConcertBooking.Queue.Room;
using MySqlConnector;
using StackExchange.Redis;

namespace ConcertBooking.Commands;

/// <summary>
/// Whether the queues in Redis are as they must be. A queue may be over its limit by what a lowered limit left
/// (<c>grace</c>) and by admissions that are back after a loss because a token of theirs was shown (<c>shown</c>), but not
/// by those that a payment had used up before the loss.
/// </summary>
internal static class VerifyQueues
{
    /// <summary>Members of <c>shown</c> that are looked at in one call.</summary>
    private const int AtOnce = 500;

    private const string CountLua = """
        local known = redis.call('HMGET', KEYS[2], 'maxActive', 'grace', 'skew', 'loss')
        local time = redis.call('TIME')
        local now = math.floor((time[1] * 1000000 + time[2] + tonumber(known[3] or 0)) / 1000)
        return {redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf'), redis.call('ZCOUNT', KEYS[1], '-inf', now - 2000),
          math.max(tonumber(known[1] or 0), tonumber(known[2] or 0)), now, string.match(known[4] or '', ' (%d+) ') or '0'}
        """;

    private sealed class Sums
    {
        public long Over { get; set; }
        public long Active { get; set; }
        public long Past { get; set; }
        public long UsedUp { get; set; }
        public long Shown { get; set; }
        public long Silent { get; set; }
        public long Queues { get; set; }

        public void Add(Sums other)
        {
            Over += other.Over;
            Active += other.Active;
            Past += other.Past;
            UsedUp += other.UsedUp;
            Shown += other.Shown;
            Silent += other.Silent;
        }
    }

    /// <returns>How many violations there are.</returns>
    public static async Task<long> RunAsync(MySqlDataSource mysql, RedisSettings settings)
    {
        var sums = new Sums();
        try
        {
            await using var redis = await ConnectionMultiplexer.ConnectAsync(settings.Options);
            var names = await NamesAsync(mysql);
            sums.Queues = names.Count;
            await EachQueue.RunAsync(names, async name =>
            {
                var found = new Sums();
                try
                {
                    await LookAsync(mysql, redis.GetDatabase(), name, settings.KeyPrefix, found);
                }
                catch (Exception exception) when (RedisErrors.IsOutage(exception))
                {
                    found.Silent++; // in a cluster, others may answer
                }

                lock (sums)
                {
                    sums.Add(found);
                }
            });
        }
        catch (RedisException exception)
        {
            Console.WriteLine($"FAIL  queues: Redis does not answer ({exception.GetType().Name})");
            return 1;
        }

        return Verify.Report("no queue is over its maxActive, but by passes that were shown after a loss", sums.Over, sums.Active)
            + Verify.Report("no active place is past its end", sums.Past, sums.Active)
            + Verify.Report("no admission that was used up before a loss is active again", sums.UsedUp, sums.Shown)
            + (sums.Silent == 0 ? 0 : Verify.Report("queues whose Redis does not answer", sums.Silent, sums.Queues));
    }

    private static async Task<List<string>> NamesAsync(MySqlDataSource mysql)
    {
        var names = new List<string>();
        await using var command = mysql.CreateCommand("SELECT queue_name FROM queue");
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }

    private static async Task LookAsync(MySqlDataSource mysql, IDatabase redis, string name, string keyPrefix, Sums sums)
    {
        var queue = $"{keyPrefix}{{q:{name}}}:";
        RedisKey active = queue + "active", shown = queue + "shown";
        var reply = (RedisResult[])(await redis.ScriptEvaluateAsync(CountLua, [active, queue + "meta"], []))!;
        var (count, limit, now, lostAt) = ((long)reply[0], (long)reply[2], (double)(long)reply[3], (long)reply[4]);
        sums.Active += count;
        sums.Past += (long)reply[1];
        var back = 0L;
        for (var from = 0L; ; from += AtOnce)
        {
            var some = await redis.SortedSetRangeByRankWithScoresAsync(shown, from, from + AtOnce - 1);
            if (some.Length == 0)
            {
                break;
            }

            var ends = await redis.SortedSetScoresAsync(active, [.. some.Select(static entry => entry.Element)]);
            foreach (var (index, entry) in some.Index())
            {
                if (ends[index] > now)
                {
                    back++;
                    sums.UsedUp += await IsUsedUpAsync(mysql, name, (long)entry.Element, (long)entry.Score, lostAt) ? 1 : 0;
                }
            }
            }

        sums.Shown += back;
        sums.Over += Math.Max(0, count - back - limit);
    }

    private static async Task<bool> IsUsedUpAsync(MySqlDataSource mysql, string queue, long userId, long issuedAt, long lostAt)
    {
        await using var connection = await mysql.OpenConnectionAsync();
        await using var command = new MySqlCommand(UsedPasses.SelectSql, connection);
        command.Parameters.AddWithValue("@userId", userId);
        command.Parameters.AddWithValue("@queue", queue);
        command.Parameters.AddWithValue("@issued", issuedAt / 1e6m);
        command.Parameters.AddWithValue("@until", lostAt / 1e6m);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture) > 0;
    }
}
