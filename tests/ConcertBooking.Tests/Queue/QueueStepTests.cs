using System.Globalization;
using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Queue;

/// <summary>Settings that change while people wait: by a restart, against the clock, and in large steps.</summary>
public sealed class QueueStepTests : SharedRigTests
{
    [Test]
    public async Task ActiveSeconds_Lowered_UsedUpTokensStayVoid()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Queue__IdleSeconds"] = "1" });
        var queue = await alone.Catalogue.AddQueueAsync(maxActive: 1);
        var visitor = Rig.NewVisitor(alone);
        await visitor.EnteredAsync(queue);
        (await visitor.LeaveAsync()).Expect(204);

        (await alone.Catalogue.PutQueueAsync(queue, maxActive: 1, activeSeconds: 1)).Expect(200);
        await Task.Delay(TimeSpan.FromSeconds(4)); // past both settings and a sweep of all queues

        (await visitor.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
        await Assert.That((await alone.Catalogue.GetQueueAsync(queue)).Number("active")).IsEqualTo(0);
    }

    [Test]
    public async Task Enter_InTheMomentOnesPlaceEnded_TheNewTokenLives()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(activeSeconds: 1);
        for (var time = 0; time < 4; time++)
        {
            await Eventually.InTimeAsync(TimeSpan.FromSeconds(1), async clock =>
            {
                var visitor = Rig.NewVisitor();
                var end = (await visitor.EnteredAsync(queue)).Json.Moment("expiresAt");
                while (TimeProvider.System.GetUtcNow() <= end)
                {
                    await Task.Delay(5);
                }

                clock.Start();
                (await visitor.EnterAsync(queue)).Expect(201);

                (await visitor.PlaceAsync()).Expect(200);
            });
        }
    }

    [Test]
    public async Task MaxActive_ChangedAtARestart_CountsWhileRedisLives()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1, ("Queue__MaxActive", "1"), ("Queue__ActiveSeconds", "500"));
        var queue = Catalogue.NewQueueName();
        await fleet.Catalogue.AddConcertAsync(queue); // which makes the queue without numbers of its own
        var (first, second) = (fleet.NewVisitor(), fleet.NewVisitor());
        await first.EnteredAsync(queue);
        await Assert.That((await second.EnteredAsync(queue)).Value("status")).IsEqualTo("WAITING");

        await fleet.AddAsync(("Queue__MaxActive", "2"), ("Queue__ActiveSeconds", "300"));

        await Eventually.GetAsync(second.PlaceAsync, place => place.Expect(200).Value("status") == "ACTIVE");
        var answer = await fleet.Catalogue.GetQueueAsync(queue);
        await Assert.That((answer.Number("maxActive"), answer.Number("activeSeconds"))).IsEqualTo((2, 300));

        // A clock that ran ahead must not hold up what is put next.
        await fleet.Database.ExecuteAsync(
            "UPDATE queue SET max_active = 7, active_seconds = 300, updated_at = TIMESTAMPADD(SECOND, 600, NOW(6)) WHERE "
                + "queue_name = @queue", ("@queue", queue));
        await Eventually.GetAsync(() => fleet.Catalogue.GetQueueAsync(queue), reply => reply.Number("maxActive") == 7);
        await Assert.That((await fleet.Catalogue.PutQueueAsync(queue, maxActive: 3)).Expect(200).Number("maxActive")).IsEqualTo(3);
    }

    [Test]
    public async Task PutQueue_WhatGetReturnedOrLess_LeavesTheRestAsItIs()
    {
        var path = $"/v1/admin/queues/{Catalogue.NewQueueName()}";
        (await Rig.Admin.SendAsync(HttpMethod.Put, path, """{"maxActive":5,"activeSeconds":60,"admitPerSecond":7,"proofOfWorkBits":3}"""))
            .Expect(200);

        var answer = (await Rig.Admin.GetAsync(path)).Expect(200);
        (await Rig.Admin.SendAsync(HttpMethod.Put, path, answer.Text)).Expect(200);
        (await Rig.Admin.SendAsync(HttpMethod.Put, path, """{"maxActive":100,"activeSeconds":600}""")).Expect(200);
        (await Rig.Admin.SendAsync(HttpMethod.Put, path, """{"maxActive":101}""")).Expect(200);

        var left = (await Rig.Admin.GetAsync(path)).Expect(200)
            .ExpectMembers("queue", "waiting", "active", "maxActive", "activeSeconds", "admitPerSecond", "proofOfWorkBits");
        await Assert.That((left.Number("maxActive"), left.Number("activeSeconds"))).IsEqualTo((101, 600));
        await Assert.That((left.Number("admitPerSecond"), left.Number("proofOfWorkBits"))).IsEqualTo((7, 3));
        await Assert.That((answer.Number("admitPerSecond"), answer.Number("proofOfWorkBits"))).IsEqualTo((7, 3));
    }

    [Test]
    public async Task Steps_OfThousands_AreTakenAtOnceAndInBoundedCommands()
    {
        const int Crowd = 5_000;
        await using var redis = await OwnRedis.StartAsync();
        await using var fleet = await redis.StartFleetAsync(Rig);
        var queue = await fleet.Catalogue.AddQueueAsync(maxActive: 1);
        await fleet.NewVisitor().EnteredAsync(queue);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        var users = Enumerable.Range(0, Crowd).Select(_ => (RedisValue)UserIds.Next()).ToArray();
        await redis.Database.SortedSetAddAsync(
            $"{{q:{queue}}}:waiting", [.. users.Select((user, index) => new SortedSetEntry(user, (now * 1000) + index))]);
        await redis.Database.SortedSetAddAsync($"{{q:{queue}}}:seen", [.. users.Select(user => new SortedSetEntry(user, now))]);

        var raised = (await fleet.Catalogue.PutQueueAsync(queue, maxActive: 1 + Crowd)).Expect(200);

        await Assert.That((raised.Number("active"), raised.Number("waiting"))).IsEqualTo((1 + Crowd, 0));
        await fleet.Members[0].Instance.Process.PauseAsync(); // so that nobody sweeps
        await redis.Database.SortedSetAddAsync($"{{q:{queue}}}:active", [.. users.Select(user => new SortedSetEntry(user, now))]);
        await fleet.Members[0].Instance.Process.ResumeAsync();
        await Assert.That((await fleet.Catalogue.GetQueueAsync(queue)).Number("active"))
            .IsEqualTo(1).Because("what is past its end does not count, swept or not");

        // As many who left long ago go a bounded number at a time.
        await redis.Database.SortedSetAddAsync(
            $"{{q:{queue}}}:gone", [.. users.Select(user => new SortedSetEntry(user, (now - 7_200_000) * 1000))]);
        await Eventually.TrueAsync(async () => await redis.Database.SortedSetLengthAsync($"{{q:{queue}}}:gone") < Crowd);
        var longest = (await redis.Commands.SlowlogGetAsync(128))
            .Where(entry => entry.Arguments.Length > 0).Select(entry => entry.Duration).DefaultIfEmpty().Max();
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"room: longest command {longest.TotalMilliseconds:0.0} ms"));
        var statistics = await redis.Commands.InfoAsync("commandstats");
        await Assert.That(statistics.SelectMany(group => group).Any(entry => entry.Key == "cmdstat_zremrangebyscore"))
            .IsFalse().Because("it has no limit");
    }
}
