using ConcertBooking.Queue.Room;
using MySqlConnector;
using StackExchange.Redis;

namespace ConcertBooking.Commands;

/// <summary>
/// Checks the invariants of the queues in Redis. A queue may be over its limit by what a lowered limit left (<c>grace</c>) and by
/// admissions restored after a data loss because their token was presented (<c>shown</c>), but not by those that a payment had
/// used up before the loss.
/// </summary>
internal static class VerifyQueues
{
    /// <summary>Members of <c>shown</c> read in one call.</summary>
    private const int BatchSize = 500;

    private const string CountLua = """
        local known = redis.call('HMGET', KEYS[2], 'maxActive', 'grace', 'skew', 'loss')
        local time = redis.call('TIME')
        local now = math.floor((time[1] * 1000000 + time[2] + tonumber(known[3] or 0)) / 1000)
        return {redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf'), redis.call('ZCOUNT', KEYS[1], '-inf', now - 5000),
          math.max(tonumber(known[1] or 0), tonumber(known[2] or 0)), now, string.match(known[4] or '', ' (%d+) ') or '0'}
        """;

    private sealed class Totals
    {
        public long OverLimit { get; set; }
        public long Active { get; set; }
        public long PastEnd { get; set; }
        public long UsedUp { get; set; }
        public long Shown { get; set; }
        public long Unreachable { get; set; }
        public long Queues { get; set; }

        public void Add(Totals other)
        {
            OverLimit += other.OverLimit;
            Active += other.Active;
            PastEnd += other.PastEnd;
            UsedUp += other.UsedUp;
            Shown += other.Shown;
            Unreachable += other.Unreachable;
        }
    }

    /// <returns>The number of violations.</returns>
    public static async Task<long> RunAsync(MySqlDataSource mysql, RedisSettings settings)
    {
        var totals = new Totals();
        try
        {
            await using var redis = await ConnectionMultiplexer.ConnectAsync(settings.Options);
            var names = await NamesAsync(mysql);
            totals.Queues = names.Count;
            await EachQueue.RunAsync(names, async name =>
            {
                var queueTotals = new Totals();
                try
                {
                    await CheckQueueAsync(mysql, redis.GetDatabase(), name, settings.KeyPrefix, queueTotals);
                }
                catch (Exception exception) when (RedisErrors.IsOutage(exception))
                {
                    queueTotals.Unreachable++; // in a cluster, others may answer
                }

                lock (totals)
                {
                    totals.Add(queueTotals);
                }
            });
        }
        catch (RedisException exception)
        {
            Console.WriteLine($"FAIL  queues: Redis does not answer ({exception.GetType().Name})");
            return 1;
        }

        return Verify.Report("no queue is over its maxActive, but by passes that were shown after a loss", totals.OverLimit, totals.Active)
            + Verify.Report("no active place is past its end by more than 5 s", totals.PastEnd, totals.Active)
            + Verify.Report("no admission that was used up before a loss is active again", totals.UsedUp, totals.Shown)
            + (totals.Unreachable == 0 ? 0 : Verify.Report("queues whose Redis does not answer", totals.Unreachable, totals.Queues));
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

    private static async Task CheckQueueAsync(MySqlDataSource mysql, IDatabase redis, string name, string keyPrefix, Totals totals)
    {
        var queue = $"{keyPrefix}{{q:{name}}}:";
        RedisKey active = queue + "active", shown = queue + "shown";
        var reply = (RedisResult[])(await redis.ScriptEvaluateAsync(CountLua, [active, queue + "meta"], []))!;
        var (count, limit, now, lostAt) = ((long)reply[0], (long)reply[2], (double)(long)reply[3], (long)reply[4]);
        totals.Active += count;
        totals.PastEnd += (long)reply[1];
        var restored = 0L;
        for (var from = 0L; ; from += BatchSize)
        {
            var page = await redis.SortedSetRangeByRankWithScoresAsync(shown, from, from + BatchSize - 1);
            if (page.Length == 0)
            {
                break;
            }

            var ends = await redis.SortedSetScoresAsync(active, [.. page.Select(static entry => entry.Element)]);
            foreach (var (index, entry) in page.Index())
            {
                if (ends[index] > now)
                {
                    restored++;
                    totals.UsedUp += await IsUsedUpAsync(mysql, name, (long)entry.Element, (long)entry.Score, lostAt) ? 1 : 0;
                }
            }
        }

        totals.Shown += restored;
        totals.OverLimit += Math.Max(0, count - restored - limit);
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
