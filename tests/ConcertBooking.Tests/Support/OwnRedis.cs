using ConcertBooking.Servers;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// A Redis of one test's own, behind a relay that can be cut; its data can be set back, and its clock as the data sees
/// it.
/// </summary>
internal sealed class OwnRedis : IAsyncDisposable
{
    private static readonly string[] Keys = ["waiting", "active", "seen", "gone", "meta", "doubted", "shown"];

    private readonly ConnectionMultiplexer _connection;

    private OwnRedis(Server server, TcpProxy proxy, ConnectionMultiplexer connection) =>
        (Server, Proxy, _connection) = (server, proxy, connection);

    public Server Server { get; }

    public TcpProxy Proxy { get; }

    public IDatabase Database => _connection.GetDatabase();

    public IServer Commands => _connection.GetServers()[0];

    public static async Task<OwnRedis> StartAsync()
    {
        var server = await RedisServers.StartAsync(new ServerOptions { AllowNamed = false });
        var address = server.ConnectionString.Split(':');
        return new OwnRedis(
            server, new TcpProxy(address[0], int.Parse(address[1], System.Globalization.CultureInfo.InvariantCulture)),
            await ConnectionMultiplexer.ConnectAsync($"{server.ConnectionString},allowAdmin=true,abortConnect=false"));
    }

    /// <summary>One instance, on a database of its own and this Redis.</summary>
    public Task<Fleet> StartFleetAsync(Rig rig, params (string Name, string? Value)[] changes) =>
        Fleet.StartAsync(rig, 1, [(RedisServers.Setting, $"127.0.0.1:{Proxy.Port}"), .. changes]);

    public Task FlushAsync() => Commands.FlushAllDatabasesAsync();

    /// <summary>What a replica would have that was cut off now.</summary>
    public async Task<Dictionary<RedisKey, byte[]?>> TakeAsync(string queue)
    {
        var data = new Dictionary<RedisKey, byte[]?>();
        foreach (var key in Keys.Select(key => (RedisKey)$"{{q:{queue}}}:{key}"))
        {
            data[key] = await Database.KeyDumpAsync(key);
        }

        return data;
    }

    /// <summary>That replica is the primary now.</summary>
    public async Task PutBackAsync(Dictionary<RedisKey, byte[]?> data)
    {
        var transaction = Database.CreateTransaction();
        foreach (var (key, value) in data)
        {
            _ = transaction.KeyDeleteAsync(key);
            if (value is not null)
            {
                _ = transaction.KeyRestoreAsync(key, value);
            }
        }
        await transaction.ExecuteAsync();
    }

    /// <summary>
    /// The queue's data is as if it had been written by a clock that is ahead by that much: every moment in it, in ms
    /// and µs, lies later. It is what the data looks like once the server's clock was set back.
    /// </summary>
    public async Task StepBackAsync(string queue, TimeSpan step) => await Database.ScriptEvaluateAsync("""
        local function later(text)
          local number = tonumber(text)
          if not number or number < 1e12 then return text end
          return string.format('%.0f', number + ARGV[1] * (number > 1e15 and 1000000 or 1000))
        end
        for _, key in ipairs(KEYS) do
          local kind = redis.call('TYPE', key).ok
          local all = kind == 'zset' and redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
            or kind == 'hash' and redis.call('HGETALL', key) or {}
          for i = 1, #all, 2 do
            if kind == 'zset' then redis.call('ZADD', key, later(all[i + 1]), all[i])
            elseif all[i] ~= 'version' then redis.call('HSET', key, all[i], later(all[i + 1])) end
          end
        end
        """, [.. Keys.Select(key => (RedisKey)$"{{q:{queue}}}:{key}")], [(long)step.TotalSeconds]);

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await Proxy.DisposeAsync();
        await Server.DisposeAsync();
    }
}
