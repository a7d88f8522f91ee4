using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Queue;

/// <summary>Two clusters of instances with one Redis, kept apart by <c>Redis__KeyPrefix</c>.</summary>
public sealed class KeyPrefixTests : SharedRigTests
{
    [Test]
    public async Task KeyPrefix_TwoClustersOnOneRedis_ShareNothing()
    {
        await using var redis = await RedisServers.StartAsync(new ServerOptions { AllowNamed = false });
        await using var one = await Rig.StartAloneAsync(Settings(redis, "one:"));
        await using var two = await Rig.StartAloneAsync(Settings(redis, "two:"));
        var queue = Catalogue.NewQueueName();
        var (first, second) = (await AddShowAsync(one, queue), await AddShowAsync(two, queue));

        // One place in each, and a line of its own: the same user is somebody else at the other.
        var active = await Rig.NewVisitor(one).AdmittedAsync(first);
        var other = await new Visitor(two.Api, active.UserId, active.AccessToken).AdmittedAsync(second);
        var waiting = Rig.NewVisitor(one);
        await waiting.EnteredAsync(queue);
        await using var stream = await PlaceEvents.OpenAsync(waiting);
        await active.HeldAsync(first);
        await other.HeldAsync(second);
        (await other.LeaveAsync()).Expect(204);
        await Assert.That((await waiting.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("WAITING");
        (await active.LeaveAsync()).Expect(204);
        await stream.NextAsync("active");

        // Rate limits, and the rankings, which an idle worker builds as well. Instances share the counts of busy callers
        // alone, of a window that may end between two questions: it is asked until one window has enough of them.
        await using var client = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString);
        await Eventually.TrueAsync(
            async () =>
            {
                for (var asked = 0; asked < 20; asked++)
                {
                    await waiting.GetAsync("/v1/points");
                }

                return await HasKeyAsync(client, "one:{rate}:");
            },
            what: "a count of the rate limit");
        foreach (var part in (string[])["one:{rank}:", "two:{rank}:", $"one:{{q:{queue}}}:", $"two:{{q:{queue}}}:"])
        {
            await Eventually.TrueAsync(() => HasKeyAsync(client, part), what: part);
        }

        await Assert.That(
            (await KeysAsync(client)).Where(
                static key => !key.StartsWith("one:", StringComparison.Ordinal)
                    && !key.StartsWith("two:", StringComparison.Ordinal))).IsEmpty();
        var channels = (string[])(await client.GetDatabase().ExecuteAsync("PUBSUB", "CHANNELS", "*concert*"))!;
        await Assert.That(channels.Order()).IsEquivalentTo(["one:concert-booking:admitted", "two:concert-booking:admitted"]);
        await ExpectVerifiedApartAsync(client, redis, one, two, queue);
    }

    private async Task ExpectVerifiedApartAsync(
        ConnectionMultiplexer client, Server redis, LoneInstance one, LoneInstance two, string queue)
    {
        var inAnHour = TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeMilliseconds();
        await client.GetDatabase().SortedSetAddAsync(
            $"one:{{q:{queue}}}:active", [new("1", inAnHour), new("2", inAnHour), new("3", inAnHour)]);
        foreach (var (instance, prefix, exitCode) in ((LoneInstance, string, int)[])[(one, "one:", 1), (two, "two:", 0)])
        {
            var settings = Settings(redis, prefix);
            settings[MySqlServers.Setting] = instance.Database.ConnectionString;
            await Assert.That((await Rig.RunAsync(["verify"], settings)).ExitCode).IsEqualTo(exitCode);
        }
    }

    private static async Task<bool> HasKeyAsync(ConnectionMultiplexer client, string start) =>
        (await KeysAsync(client)).Any(key => key.StartsWith(start, StringComparison.Ordinal));

    private static async Task<string[]> KeysAsync(ConnectionMultiplexer client)
    {
        var keys = new List<string>();
        await foreach (var key in client.GetServers()[0].KeysAsync())
        {
            keys.Add(key.ToString());
        }

        return [.. keys];
    }

    private static async Task<Show> AddShowAsync(LoneInstance instance, string queue)
    {
        (await instance.Catalogue.PutQueueAsync(queue, maxActive: 1)).Expect(200);
        var concertId = await instance.Catalogue.AddConcertAsync(queue);
        return new Show(queue, concertId, await instance.Catalogue.AddScheduleAsync(concertId), 10, 50_000);
    }

    private static Dictionary<string, string?> Settings(Server redis, string prefix) => new()
    {
        [RedisServers.Setting] = redis.ConnectionString,
        [KafkaServers.Setting] = null,
        ["Redis__KeyPrefix"] = prefix,
        ["RateLimits__PerUser"] = "100",
    };
}
