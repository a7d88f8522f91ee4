using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Security;

/// <summary>Limits per user and per address, over all instances, with and without Redis.</summary>
public sealed class RateLimitTests : SharedRigTests
{
    private const int WindowMilliseconds = 10_000;

    [Test]
    public async Task User_BeyondItsLimit_Gets429_AndOthersDoNot()
    {
        await using var service = await StartAsync(perUser: 50);
        var (greedy, modest) = (Rig.NewVisitor(service), Rig.NewVisitor(service));

        var accepted = await CountAsync(() => greedy.GetAsync("/v1/points"), 80);

        await Assert.That(accepted).IsBetween(50, 60);
        (await Eventually.GetAsync(() => greedy.EnterAsync(null), reply => reply.Status == 429))
            .ExpectProblem(429, "too_many_requests").ExpectRetryAfter();
        (await modest.GetAsync("/v1/points")).Expect(200);
    }

    [Test]
    public async Task User_AtTwoInstances_HasOneLimit()
    {
        await using var one = await StartAsync(perUser: 160);
        await using var two = await StartAsync(perUser: 160);
        var atOne = Rig.NewVisitor(one);
        var atTwo = new Visitor(two.Api, atOne.UserId, atOne.AccessToken);

        int first, second;
        long window;
        do
        {
            window = await NewWindowAsync();
            first = await CountAsync(() => atOne.GetAsync("/v1/points"), 200);
            second = 0;
            while ((await atTwo.GetAsync("/v1/points")).Status == 200)
            {
                second++;
                await Task.Delay(25);
            }
        }
        while (Window() != window);

        // The second instance hears of the first as soon as the user has asked there for an eighth of the limit.
        await Assert.That(first).IsBetween(160, 200);
        await Assert.That(second).IsLessThan(100);
    }

    [Test]
    public async Task User_WhileRedisIsGone_HasALimitAtEachInstance()
    {
        await using var service = await StartAsync(perUser: 50, more: ("ConnectionStrings__Redis", "127.0.0.1:1"));
        var visitor = Rig.NewVisitor(service);

        await Assert.That(await CountAsync(() => visitor.GetAsync("/v1/points"), 80)).IsBetween(50, 60);
    }

    [Test]
    public async Task Address_BehindAKnownProxy_IsTheClients()
    {
        await using var service = await StartAsync(perAddress: 50, more: ("ForwardedHeaders__KnownProxies", "10.0.0.0/8, 127.0.0.1"));
        Task<Reply> Ask(string client) => service.Api.GetAsync("/v1/concerts", ("X-Forwarded-For", client));

        await Assert.That(await CountAsync(() => Ask("203.0.113.7"), 80)).IsBetween(50, 60);
        (await Ask("203.0.113.8")).Expect(200);

        // What stands before the last address that a known proxy has seen is the client's own invention.
        (await Ask("203.0.113.9, 203.0.113.7, 10.1.2.3")).ExpectProblem(429, "too_many_requests").ExpectRetryAfter();

        // A customer has a whole /64.
        await Assert.That(await CountAsync(() => Ask($"2001:db8:1:2::{Random.Shared.Next(1, 65535):x}"), 80)).IsBetween(50, 60);
        (await Ask("2001:db8:1:3::1")).Expect(200);
    }

    [Test]
    public async Task Address_OfAnUnknownProxy_IsNotBelieved()
    {
        await using var service = await StartAsync(perAddress: 50);
        var client = 0;

        var accepted = await CountAsync(() => service.Api.GetAsync("/v1/concerts", ("X-Forwarded-For", $"203.0.113.{client++}")), 80);

        await Assert.That(accepted).IsBetween(20, 60); // the start has asked too
        await Assert.That((await service.Api.GetAsync("/livez")).Status).IsEqualTo(200);
    }

    /// <summary>More addresses than are counted at once, as whoever has a /48 can use: a user's limit stays.</summary>
    [Test]
    [Category("Long"), Explicit]
    public async Task User_BesideMoreAddressesThanAreCounted_KeepsItsLimit()
    {
        const int Connections = 8, Each = 6_400;
        await using var service = await StartAsync(perUser: 100, perAddress: 10_000, more: ("ForwardedHeaders__KnownProxies", "127.0.0.1"));
        var greedy = Rig.NewVisitor(service);
        await NewWindowAsync();

        await Task.WhenAll(Enumerable.Range(0, Connections).Select(connection => RawRequest.SendAsync(service.Api, string.Concat(
            Enumerable.Range(connection * Each, Each).Select(number =>
                $"GET /v1 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 2001:db8:7:{number:x}::1\r\n"
                    + $"{(number % Each == Each - 1 ? "Connection: close\r\n" : "")}\r\n")))));
        var replies = await Task.WhenAll(Enumerable.Range(0, 300).Select(_ => greedy.GetAsync("/v1/points")));

        await Assert.That(replies.Count(static reply => reply.Status == 200)).IsBetween(100, 110);
    }

    [Test]
    public Task Queues_MadeUp_TakeOneConnectionTogether() => Eventually.InTimeAsync(Eventually.OneRequest, async clock =>
    {
        await using var service = await Rig.StartAloneAsync(
            new Dictionary<string, string?> { ["Database__MaxPoolSize"] = "4", ["ConnectionStrings__Kafka"] = null });
        await using var connection = await service.Database.OpenAsync();
        await using var command = new MySqlConnector.MySqlCommand("LOCK TABLES queue WRITE", connection);
        await command.ExecuteNonQueryAsync();
        clock.Start();
        var madeUp = Enumerable.Range(0, 40).Select(number => Rig.NewVisitor(service).EnterAsync($"made-up-{number}")).ToArray();
        var visitor = Rig.NewVisitor(service);

        for (var i = 0; i < 10; i++)
        {
            (await visitor.GetAsync("/v1/points")).Expect(200);
        }

        clock.Stop();
        command.CommandText = "UNLOCK TABLES";
        await command.ExecuteNonQueryAsync();
        foreach (var reply in await Task.WhenAll(madeUp))
        {
            await Assert.That(reply.Code).IsEqualTo("queue_not_found").Or.IsEqualTo("database_unavailable");
        }
    });

    /// <summary>
    /// How many of that many requests are let in within one window; again in the next one when they took too long for
    /// it.
    /// </summary>
    private static async Task<int> CountAsync(Func<Task<Reply>> ask, int times)
    {
        while (true)
        {
            var window = await NewWindowAsync();
            var replies = await Task.WhenAll(Enumerable.Range(0, times).Select(_ => ask()));
            foreach (var refusal in replies.Where(reply => reply.Status == 429))
            {
                refusal.ExpectProblem(429, "too_many_requests").ExpectRetryAfter();
            }

            if (Window() == window)
            {
                return replies.Count(reply => reply.Status != 429);
            }
        }
    }

    /// <summary>An instance hears of the others in the running window only.</summary>
    private static async Task<long> NewWindowAsync()
    {
        await Eventually.TrueAsync(() => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() % WindowMilliseconds < 2_000);
        return Window();
    }

    private static long Window() => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / WindowMilliseconds;

    private Task<Instance> StartAsync(int perUser = 0, int perAddress = 0, (string Name, string Value)? more = null)
    {
        var settings = new Dictionary<string, string?>
        {
            ["RateLimits__PerUser"] = $"{perUser}",
            ["RateLimits__PerAddress"] = $"{perAddress}"
        };
        if (more is var (name, value))
        {
            settings[name] = value;
        }

        return Rig.StartAsync(settings);
    }
}
