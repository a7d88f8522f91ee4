using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>What must not cost anybody a place in line, nor give one to somebody else. Each on a Redis of its own.</summary>
public sealed class QueueFaults : SharedRigTests
{
    [Test, Category("Long"), Explicit]
    public async Task Queue_UnreachableForLongerThanTheIdleTime_IsKept()
    {
        const int IdleSeconds = 4;
        await using var redis = await OwnRedis.StartAsync();
        await using var fleet = await redis.StartFleetAsync(Rig, ("Queue__IdleSeconds", $"{IdleSeconds}"));
        var show = await fleet.Catalogue.AddShowAsync(maxActive: 1);
        await fleet.NewVisitorAsync(show);
        var line = await EnterAsync(fleet, show, 5);

        // Redis is unreachable, its data intact.
        redis.Proxy.Refuse = true;
        redis.Proxy.Cut();
        await Eventually.GetAsync(line[0].PlaceAsync, reply => reply.Status == 503);
        await Task.Delay(TimeSpan.FromSeconds(IdleSeconds + 1));
        redis.Proxy.Refuse = false;
        var newcomer = fleet.NewVisitor();
        await newcomer.EnteredAsync(show.Queue);
        await ExpectOrderAsync([.. line, newcomer]);

        // All instances are down.
        await fleet.Members[0].KillAsync();
        await Task.Delay(TimeSpan.FromSeconds(IdleSeconds + 1));
        await fleet.Members[0].StartAsync();
        await ExpectOrderAsync([.. line, newcomer]);

        // Whoever does not ask although he could is dropped as ever.
        await Eventually.GetAsync(
            async () => (await AskAsync(newcomer)).Expect(200), place => place.Number("position") == 1);
        (await AskAsync(line[0])).ExpectProblem(410, "queue_token_expired");
    }

    [Test]
    public async Task Loss_OfThePartSinceASnapshot_PassesDecide()
    {
        const int Places = 3;
        await using var redis = await OwnRedis.StartAsync();
        await using var fleet = await redis.StartFleetAsync(Rig);
        var show = await fleet.Catalogue.AddShowAsync(maxActive: Places);
        var payers = await EnterAsync(fleet, show, Places);
        var line = await EnterAsync(fleet, show, Places + 1);
        var held = new List<string>();
        foreach (var (index, payer) in payers.Index())
        {
            (await payer.ChargeAsync(show.Price)).Expect(201);
            held.Add(await payer.HeldAsync(show, index + 1));
        }
        var snapshot = await redis.TakeAsync(show.Queue);
        foreach (var (index, payer) in payers.Index())
        {
            (await payer.PayAsync(held[index])).Expect(201);
        }

        foreach (var visitor in line)
        {
            (await AskAsync(visitor)).Expect(200);
        }

        var late = (await EnterAsync(fleet, show, 1))[0];

        await redis.PutBackAsync(snapshot);

        var newcomer = (await EnterAsync(fleet, show, 1))[0];
        foreach (var (index, visitor) in line.Take(Places).Index())
        {
            await visitor.HeldAsync(show, Places + 1 + index);
        }

        foreach (var payer in payers)
        {
            (await AskAsync(payer)).ExpectProblem(410, "queue_token_expired");
        }

        foreach (var visitor in line.Take(Places))
        {
            await Assert.That((await AskAsync(visitor)).Expect(200).Value("status")).IsEqualTo("ACTIVE");
        }

        await ExpectOrderAsync([line[Places], late, newcomer]);
        await Assert.That((await fleet.Catalogue.GetQueueAsync(show.Queue)).Number("active")).IsEqualTo(Places);

        // The line moves again, one for one.
        (await line[0].LeaveAsync()).Expect(204);
        await Eventually.GetAsync(() => AskAsync(line[Places]), place => place.Expect(200).Value("status") == "ACTIVE");
        await ExpectOrderAsync([late, newcomer]);
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task Loss_OfAllAndASecondTabEntersFirst_TheFirstTabsTokenDecides()
    {
        await using var redis = await OwnRedis.StartAsync();
        await using var fleet = await redis.StartFleetAsync(Rig);
        var show = await fleet.Catalogue.AddShowAsync(maxActive: 1);
        var admitted = await fleet.NewVisitorAsync(show);
        await admitted.HeldAsync(show, 1);
        var line = await EnterAsync(fleet, show, 2);
        var (pass, first) = (admitted.QueueToken!, line[0].QueueToken!);

        await redis.FlushAsync();

        await Assert.That((await admitted.EnterAsync(show.Queue)).Expect(201).Value("status"))
            .IsEqualTo("WAITING").Because("nothing shows that this user was admitted");
        (await AskAsync(line[1])).Expect(200);
        (await line[0].EnterAsync(show.Queue)).Expect(201);
        (admitted.QueueToken, line[0].QueueToken) = (pass, first);
        (await admitted.HoldAsync(show, 1)).Expect(200);
        await Assert.That((await AskAsync(admitted)).Expect(200).Value("status")).IsEqualTo("ACTIVE");
        await ExpectOrderAsync(line);

        // A place that was given up is gone: the place that was entered after it tells.
        (await admitted.LeaveAsync()).Expect(204);
        await admitted.EnteredAsync(show.Queue);
        var newer = admitted.QueueToken!;
        await redis.FlushAsync();
        (await AskAsync(admitted)).Expect(200);
        admitted.QueueToken = pass;
        (await AskAsync(admitted)).ExpectProblem(410, "queue_token_expired");
        admitted.QueueToken = newer;
        await Assert.That((await AskAsync(admitted)).Expect(200).Value("status")).IsEqualTo("WAITING");
    }

    [Test]
    public async Task Loss_RedisAndAllInstancesRestarted_NoneIsAdmittedPastTheQueue()
    {
        const int Places = 2;
        await using var redis = await OwnRedis.StartAsync();
        await using var fleet = await redis.StartFleetAsync(Rig);
        var show = await fleet.Catalogue.AddShowAsync(maxActive: Places);
        var admitted = await EnterAsync(fleet, show, Places);
        var line = await EnterAsync(fleet, show, 3);
        await Eventually.TrueAsync(
            async () => await fleet.Database.ScalarAsync<long>(
                "SELECT COUNT(*) FROM queue WHERE queue_name = @queue AND entered_at IS NOT NULL", ("@queue", show.Queue)) == 1);

        await fleet.Members[0].KillAsync();
        await redis.Server.KillAsync();
        await redis.Server.StartAsync();
        await fleet.Members[0].StartAsync();

        var newcomer = fleet.NewVisitor();
        var entered = await newcomer.EnteredAsync(show.Queue);
        await Assert.That(entered.Value("status")).IsEqualTo("WAITING");
        foreach (var visitor in Enumerable.Reverse(line).Concat(admitted))
        {
            (await AskAsync(visitor)).Expect(200);
        }

        foreach (var visitor in admitted)
        {
            await Assert.That((await AskAsync(visitor)).Expect(200).Value("status")).IsEqualTo("ACTIVE");
        }

        await ExpectOrderAsync([.. line, newcomer]);
        await Assert.That((await fleet.Catalogue.GetQueueAsync(show.Queue)).Number("active")).IsEqualTo(Places);
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task ClockOfRedis_StepsBack_TheLineMovesAndNewTokensLive()
    {
        await using var redis = await OwnRedis.StartAsync();
        await using var fleet = await redis.StartFleetAsync(Rig);
        var queue = Catalogue.NewQueueName();
        (await fleet.Catalogue.PutQueueAsync(queue, maxActive: 100, admitPerSecond: 4)).Expect(200);
        var visitor = fleet.NewVisitor();
        await visitor.EnteredAsync(queue);
        (await visitor.LeaveAsync()).Expect(204);
        var line = new List<Visitor>();
        for (var index = 0; index < 6; index++)
        {
            line.Add(fleet.NewVisitor());
            await line[^1].EnteredAsync(queue);
        }

        await redis.StepBackAsync(queue, TimeSpan.FromMinutes(10));

        (await visitor.EnterAsync(queue)).Expect(201);
        (await AskAsync(visitor)).Expect(200);
        await Eventually.GetAsync(
            async () => (await Task.WhenAll(line.Select(AskAsync))).Count(place => place.Expect(200).Value("status") == "ACTIVE"),
            active => active == line.Count);
        await fleet.VerifyAsync();
    }

    /// <summary>On a busy machine Redis may be late: 503, and the same call again finds the same place.</summary>
    private static Task<Reply> AskAsync(Visitor visitor) => Eventually.AnsweredAsync(visitor.PlaceAsync);

    private static async Task<Visitor[]> EnterAsync(Fleet fleet, Show show, int count)
    {
        var visitors = Enumerable.Range(0, count).Select(_ => fleet.NewVisitor()).ToArray();
        foreach (var visitor in visitors)
        {
            await visitor.EnteredAsync(show.Queue);
        }

        return visitors;
    }

    /// <summary>They are the line, in this order; each is asked once so that all are back, then again.</summary>
    private static async Task ExpectOrderAsync(Visitor[] visitors)
    {
        foreach (var visitor in visitors)
        {
            await AskAsync(visitor);
        }

        var positions = new List<long>();
        foreach (var visitor in visitors)
        {
            positions.Add((await AskAsync(visitor)).Expect(200).Number("position"));
        }

        await Assert.That(string.Join(' ', positions)).IsEqualTo(string.Join(' ', Enumerable.Range(1, visitors.Length)));
    }
}
