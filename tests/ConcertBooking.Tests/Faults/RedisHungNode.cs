using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>One primary of a Redis Cluster hangs and no replica takes over: the queues that live on the others notice nothing.</summary>
public sealed class RedisHungNode : RedisFaultTests
{
    private const string Prefix = "stage:";
    private static readonly TimeSpan Promised = Eventually.Promised(seconds: 15);

    [Test, Category("Long"), Explicit]
    public async Task Cluster_OneNodeHangs_QueuesOfTheOthersGoOn()
    {
        await using var redis = await RedisFleet.StartClusterAsync();
        foreach (var node in redis.Nodes)
        {
            await redis.AskAsync(node, ["config", "set", "cluster-node-timeout", "120000"]);
        }

        (string, string?)[] settings =
        [
            (RedisServers.Setting, redis.ConnectionString), ("Redis__KeyPrefix", Prefix),
            (KafkaServers.Setting, Rig.Servers.Kafka.ConnectionString), ("Roles", "api"),
        ];
        await using var fleet = await Fleet.StartAsync(Rig, 1, settings);
        var (node1, hung, healthy) = await QueuesAsync(fleet, redis);
        var streams = new List<ServerEvents>();
        var lines = new Dictionary<Show, Visitor[]>();
        try
        {
            foreach (var show in (Show[])[.. hung, healthy[0]]) // those that hang come first
            {
                lines[show] = [await fleet.NewVisitorAsync(show), await WaitingAsync(fleet, show), await WaitingAsync(fleet, show)];
                foreach (var visitor in lines[show].Skip(1))
                {
                    streams.Add(await PlaceEvents.OpenAsync(visitor));
                    await streams[^1].NextAsync("position");
                }
            }

            await node1.PauseAsync();
            try
            {
                await ExpectHealthyAsync(fleet, healthy, lines[healthy[0]][0], streams[^2], streams[^1]);
                await ExpectSaidAsync(fleet, settings);
            }
            finally
            {
                await node1.ResumeAsync();
            }

            await Eventually.GetAsync(
                () => fleet[0].GetAsync("/readyz"), ready => ready.Json.GetProperty("checks").Value("redis") == "up", Promised);
            await Eventually.GetAsync(lines[hung[0]][0].LeaveAsync, left => left.Status is 204, Promised);
            await streams[0].NextAsync("active", Promised);
        }
        finally
        {
            foreach (var stream in streams)
            {
                await stream.DisposeAsync();
            }
        }
    }

    /// <summary>Everything that goes over all queues: streams, the sweep, the reading of settings; and those who enter.</summary>
    private static async Task ExpectHealthyAsync(Fleet fleet, List<Show> healthy, Visitor first, ServerEvents second, ServerEvents third)
    {
        (await first.LeaveAsync()).Expect(204);
        await second.NextAsync("active");
        var position = await third.NextAsync("position");
        await Assert.That(position.Data.Number("position")).IsEqualTo(1);

        await fleet.Database.ExecuteAsync(
            $"UPDATE queue SET proof_of_work_bits = 1, updated_at = NOW(6) WHERE queue_name = '{healthy[1].Queue}'");
        await Eventually.GetAsync(
            () => fleet.NewVisitor().EnterAsync(healthy[1].Queue), entered => entered.Code == "proof_of_work_needed");

        var entered = 0;
        for (var round = 0; round < 40; round++)
        {
            entered += (await fleet.NewVisitor().EnterAsync(healthy[2].Queue)).Status == 201 ? 1 : 0;
            await Task.Delay(100);
        }
        await Assert.That(entered).IsGreaterThanOrEqualTo(35).Because("on a busy machine Redis may be late, a closed waiting room is not");
    }

    private async Task ExpectSaidAsync(Fleet fleet, (string Name, string? Value)[] settings)
    {
        await OutageTable.ExpectAsync("One node of a Redis Cluster hangs", fleet.Members[0].Instance);
        var changes = settings.ToDictionary(change => change.Name, change => change.Value);
        changes[MySqlServers.Setting] = fleet.Database.ConnectionString;
        var verified = await Rig.RunAsync(["verify"], changes);
        await Assert.That(verified.ExitCode).IsEqualTo(1);
        await Assert.That(verified.Output + verified.Error).Contains("FAIL  queues").And.Contains("ok    no queue is over its maxActive");
    }

    /// <returns>A primary, six queues that live on it and three or more that do not; each admits one at a time, but
    /// the third of these everybody.</returns>
    private static async Task<(Server Node, List<Show> Hung, List<Show> Healthy)> QueuesAsync(Fleet fleet, RedisFleet redis)
    {
        Server? node = null;
        var (hung, healthy) = (new List<Show>(), new List<Show>());
        while (hung.Count < 6 || healthy.Count < 3)
        {
            var show = await fleet.Catalogue.AddShowAsync(maxActive: 1);
            var at = await redis.PrimaryOfAsync($"{Prefix}{{q:{show.Queue}}}:meta");
            node ??= at;
            (at == node ? hung : healthy).Add(show);
        }
        (await fleet.Catalogue.PutQueueAsync(healthy[2].Queue, Catalogue.Everybody)).Expect(200);
        return (node!, hung, healthy);
    }

    private static async Task<Visitor> WaitingAsync(Fleet fleet, Show show)
    {
        var visitor = fleet.NewVisitor();
        await visitor.EnteredAsync(show.Queue);
        return visitor;
    }
}
