using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>A Redis that answers a PING and does not serve: demoted, unable to write, loading, or on a dead connection.</summary>
public sealed class RedisRefuses : RedisFaultTests
{
    private static readonly TimeSpan Promised = Eventually.Promised(seconds: 15);

    [Test, Category("Long"), Explicit]
    public async Task Redis_DemotedBehindItsAddress_IsLeftForTheNewPrimary()
    {
        await using var redis = await RedisFleet.StartPairAsync();
        var (old, promoted) = (redis.Nodes[0], redis.Nodes[1]);
        await using var proxy = new TcpProxy("127.0.0.1", old);
        await using var fleet = await StartAsync($"127.0.0.1:{proxy.Port}");
        var show = await fleet.Catalogue.AddShowAsync(maxActive: 1);
        var (active, waiting) = (await fleet.NewVisitorAsync(show), fleet.NewVisitor());
        await waiting.EnteredAsync(show.Queue);
        await redis.AskAsync(old, ["wait", "1", "10000"]);
        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, 4).Select(_ => LookOnAsync(fleet, waiting.QueueToken!, stop.Token)).ToArray();

        // While the address still leads to the old primary, nothing can be done but say so.
        await redis.AskAsync(promoted, ["replicaof", "no", "one"]);
        await redis.AskAsync(old, ["replicaof", "127.0.0.1", $"{promoted}"]);
        await OutageTable.ExpectAsync("Redis demoted", fleet.Members[0].Instance);
        await ExpectLoggedAsync(fleet, "READONLY");
        proxy.ServerPort = promoted;

        await ExpectBackAsync(fleet, show);
        await Eventually.TrueAsync(
            async () => !(await redis.AskAsync(old, ["client", "list"])).Contains("name=concert-booking", StringComparison.Ordinal),
            Promised);
        await Eventually.TrueAsync(
            async () => (await redis.AskAsync(promoted, ["pubsub", "numsub", "concert-booking:admitted"]))
                .Contains("admitted\n1", StringComparison.Ordinal), Promised);
        await stop.CancelAsync();
        await Task.WhenAll(load);
        (await active.LeaveAsync()).Expect(204);
        await Eventually.GetAsync(waiting.PlaceAsync, place => place.Status == 200 && place.Value("status") == "ACTIVE");
    }

    [Test]
    public async Task Redis_ConnectionsGoSilent_AreReplaced()
    {
        await using var redis = await RedisFleet.StartPairAsync();
        await using var proxy = new TcpProxy("127.0.0.1", redis.Nodes[0]);
        await using var fleet = await StartAsync($"127.0.0.1:{proxy.Port}");
        var show = await fleet.Catalogue.AddShowAsync();
        await fleet.NewVisitorAsync(show);

        proxy.Silence();

        await ExpectBackAsync(fleet, show);
    }

    [Test]
    public async Task Redis_CannotWriteOrLoads_IsSaidAndWaitedFor()
    {
        await using var redis = await RedisFleet.StartPairAsync();
        await using var fleet = await StartAsync(redis.ConnectionString);
        var show = await fleet.Catalogue.AddShowAsync();
        var admitted = await fleet.NewVisitorAsync(show);
        var member = fleet.Members[0].Instance;
        async Task CannotWrite(string code)
        {
            await OutageTable.ExpectAsync("Redis cannot write", member);
            await ExpectLoggedAsync(fleet, code);
            if (code != "OOM") // Redis lets a script go on to write that began by deleting, as the waiting room's do
            {
                await ExpectClosedAsync(fleet, show);
            }
        }
        async Task Loads()
        {
            await OutageTable.ExpectAsync("Redis loading", member);
            await ExpectClosedAsync(fleet, show);
        }
        var states = new (Func<Task> Begin, Func<Task> Seen, Func<Task> End)[]
        {
            (() => SetAsync(redis, "min-replicas-to-write", "3"), () => CannotWrite("NOREPLICAS"),
                () => SetAsync(redis, "min-replicas-to-write", "0")),
            (() => SetAsync(redis, "maxmemory", "1"), () => CannotWrite("OOM"), () => SetAsync(redis, "maxmemory", "0")),
            (() => SavingFailsAsync(redis), () => CannotWrite("MISCONF"), () => SavingWorksAsync(redis)),
            (() => LoadAsync(redis), Loads, () => PromoteAsync(redis)),
        };

        foreach (var (index, (begin, seen, end)) in states.Index())
        {
            await begin();
            await seen();
            await admitted.HeldAsync(show, index + 1); // by the pass
            await end();
            await ExpectBackAsync(fleet, show);
        }
    }

    /// <summary>One that has nothing to complain of but Redis, and leaves the events of others alone.</summary>
    private Task<Fleet> StartAsync(string redis) => Fleet.StartAsync(
        Rig, 1, (RedisServers.Setting, redis), (KafkaServers.Setting, Rig.Servers.Kafka.ConnectionString), ("Roles", "api"));

    /// <summary>What is under way when the connection is replaced gets its answer or the documented refusal.</summary>
    private static async Task LookOnAsync(Fleet fleet, string token, CancellationToken stop)
    {
        var visitor = fleet.NewVisitor();
        while (!stop.IsCancellationRequested)
        {
            visitor.QueueToken = token;
            var place = await visitor.PlaceAsync();
            if (place.Status != 200)
            {
                place.ExpectProblem(503, "queue_unavailable").ExpectRetryAfter();
            }

            await Task.Delay(20, CancellationToken.None);
        }
    }

    private static Task ExpectLoggedAsync(Fleet fleet, string code) => Eventually.TrueAsync(
        () => fleet.Members[0].Instance.Process.Output.Any(
            line => line.Contains("Redis is down", StringComparison.Ordinal) && line.Contains(code, StringComparison.Ordinal)));

    private static async Task ExpectClosedAsync(Fleet fleet, Show show) => await Eventually.GetAsync(
        () => fleet.NewVisitor().EnterAsync(show.Queue), entered => entered.Code == "queue_unavailable");

    private static async Task ExpectBackAsync(Fleet fleet, Show show)
    {
        await Eventually.GetAsync(() => fleet.NewVisitor().EnterAsync(show.Queue), entered => entered.Status == 201, Promised);
        await Eventually.GetAsync(
            () => fleet[0].GetAsync("/readyz"), ready => ready.Json.GetProperty("checks").Value("redis") == "up", Promised);
    }

    private static async Task SetAsync(RedisFleet redis, string name, string value) =>
        await Assert.That(await redis.AskAsync(redis.Nodes[0], ["config", "set", name, value])).StartsWith("OK");

    /// <summary>A folder has the name that the file would get.</summary>
    private static async Task SavingFailsAsync(RedisFleet redis)
    {
        var file = await FileAsync(redis);
        File.Delete(file);
        Directory.CreateDirectory(Path.Combine(file, "in-the-way"));
        await SetAsync(redis, "save", "3600 1");
        await redis.AskAsync(redis.Nodes[0], ["bgsave"]);
        await redis.UntilAsync(
            redis.Nodes[0], ["info", "persistence"], answer => answer.Contains("rdb_last_bgsave_status:err", StringComparison.Ordinal));
    }

    private static async Task SavingWorksAsync(RedisFleet redis)
    {
        await SetAsync(redis, "save", "");
        Directory.Delete(await FileAsync(redis), recursive: true);
    }

    private static async Task<string> FileAsync(RedisFleet redis) =>
        Path.Combine((await redis.AskAsync(redis.Nodes[0], ["config", "get", "dir"])).Split('\n')[1], "dump.rdb");

    /// <summary>While it loads, it refuses this as well.</summary>
    private static Task PromoteAsync(RedisFleet redis) =>
        redis.UntilAsync(redis.Nodes[0], ["replicaof", "no", "one"], static answer => answer.StartsWith("OK", StringComparison.Ordinal));

    /// <summary>Takes the data of the other, a millisecond for each of its keys.</summary>
    private static async Task LoadAsync(RedisFleet redis)
    {
        await redis.AskAsync(redis.Nodes[1], ["replicaof", "no", "one"]);
        await redis.AskAsync(redis.Nodes[1], ["config", "set", "repl-backlog-size", "16384"]); // too short to send the difference alone
        await redis.AskAsync(redis.Nodes[1], ["eval", "for i = 1, 6000 do redis.call('SET', 'filler' .. i, i) end", "0"]);
        await SetAsync(redis, "key-load-delay", "1000");
        await SetAsync(redis, "loading-process-events-interval-bytes", "1024");
        await redis.AskAsync(redis.Nodes[0], ["replicaof", "127.0.0.1", $"{redis.Nodes[1]}"]);
        await redis.UntilAsync(redis.Nodes[0], ["ping"], answer => answer.StartsWith("LOADING", StringComparison.Ordinal));
    }
}
