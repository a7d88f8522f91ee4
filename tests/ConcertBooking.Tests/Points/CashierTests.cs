using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Points;

/// <summary>Who may charge points: outside Development a cashier alone, for the user that he names.</summary>
public sealed class CashierTests : SharedRigTests
{
    private static readonly Dictionary<string, string?> Default = new() { ["Points__SelfCharge"] = null };

    [Test]
    [Arguments(null)]
    [Arguments("admin")]
    [Arguments("Cashier")]
    public async Task Charge_InProductionWithoutTheRole_Returns403AndChargesNothing(string? role)
    {
        await using var service = await Rig.StartAsync(Default);
        var (caller, other) = (Caller(service, role), Rig.NewVisitor(service));

        (await caller.ChargeAsync(100)).ExpectProblem(403, "forbidden");
        (await caller.ChargeForAsync(caller.UserId, 100)).ExpectProblem(403, "forbidden");
        (await caller.ChargeForAsync(other.UserId, 100)).ExpectProblem(403, "forbidden");
        (await caller.PostAsync("/v1/points/charges", "no JSON")).ExpectProblem(403, "forbidden"); // before anything else is read

        await Assert.That(await caller.BalanceAsync()).IsEqualTo(0);
        await Assert.That(await other.BalanceAsync()).IsEqualTo(0);
    }

    [Test]
    public async Task Charge_InProductionByACashier_IsTheNamedUsers()
    {
        await using var service = await Rig.StartAsync(Default);
        var (cashier, user) = (Caller(service, "cashier"), Rig.NewVisitor(service));
        (await cashier.ChargeAsync(100)).ExpectInvalid("userId");
        (await cashier.ChargeForAsync(0, 100)).ExpectInvalid("userId");

        var charged = (await cashier.ChargeForAsync(user.UserId, 100_000)).Expect(201).ExpectMembers("chargeId", "amount", "balance");

        await Assert.That(charged.Number("balance")).IsEqualTo(100_000);
        await Assert.That(await user.BalanceAsync()).IsEqualTo(100_000);
        await Assert.That(await cashier.BalanceAsync()).IsEqualTo(0);
        var ledger = (await user.GetAsync("/v1/points/transactions")).Expect(200).Items();
        await Assert.That(ledger.Single().Value("reference")).IsEqualTo(charged.Value("chargeId"));
        (await cashier.GetAsync("/v1/admin/queues/main")).ExpectProblem(403, "forbidden");
    }

    /// <summary>The key is the cashier's, whomever he charges.</summary>
    [Test]
    public async Task Charge_RepeatedByACashier_ChargesOnce_AndNoOtherUserWithTheSameKey()
    {
        var (cashier, second) = (Caller(Rig.A, "cashier"), Caller(Rig.B, "cashier"));
        var (user, other) = (Rig.NewVisitor(), Rig.NewVisitor());
        var key = Visitor.NewKey();
        var first = (await cashier.ChargeForAsync(user.UserId, 700, key)).Expect(201);

        var repeat = (await cashier.ChargeForAsync(user.UserId, 700, key)).Expect(201);
        (await cashier.ChargeForAsync(other.UserId, 700, key)).ExpectProblem(422, "idempotency_key_reused");
        (await cashier.ChargeForAsync(user.UserId, 701, key)).ExpectProblem(422, "idempotency_key_reused");
        (await second.ChargeForAsync(user.UserId, 700, key)).Expect(201);
        (await user.ChargeAsync(700, key)).Expect(201);

        await Assert.That(repeat.Text).IsEqualTo(first.Text);
        await Assert.That(repeat.Header("Idempotency-Replayed")).IsEqualTo("true");
        await Assert.That(await user.BalanceAsync()).IsEqualTo(2_100);
        await Assert.That(await other.BalanceAsync()).IsEqualTo(0);
    }

    [Test]
    public async Task Charge_WhereUsersChargeThemselves_NeverIsAnothers()
    {
        var (user, other, cashier) = (Rig.NewVisitor(), Rig.NewVisitor(), Caller(Rig.A, "cashier"));

        (await user.ChargeForAsync(other.UserId, 100)).ExpectProblem(403, "forbidden");
        await Assert.That(await other.BalanceAsync()).IsEqualTo(0);

        var key = Visitor.NewKey();
        (await user.ChargeAsync(100, key)).Expect(201);
        await Assert.That((await user.ChargeForAsync(user.UserId, 100, key)).Expect(201).Header("Idempotency-Replayed")).IsEqualTo("true");
        (await cashier.ChargeForAsync(other.UserId, 50)).Expect(201);
        (await cashier.ChargeAsync(5)).Expect(201);

        await Assert.That(await user.BalanceAsync()).IsEqualTo(100);
        await Assert.That(await other.BalanceAsync()).IsEqualTo(50);
        await Assert.That(await cashier.BalanceAsync()).IsEqualTo(5);
    }

    /// <summary>Neither two users whose rows are locked nor a lock of its own row stops the one cashier's charges of others.</summary>
    [Test]
    public Task Charge_ByACashierWhileOthersWait_DoesNotWaitForThem() => Eventually.InTimeAsync(Eventually.HalfARequest, async clock =>
    {
        var cashier = Caller(Rig.A, "cashier");
        Visitor[] stuck = [Rig.NewVisitor(), Rig.NewVisitor(), Rig.NewVisitor(), cashier];
        foreach (var user in stuck)
        {
            (await cashier.ChargeForAsync(user.UserId, 1)).Expect(201);
        }

        var locks = await Task.WhenAll(stuck.Select(user => Rig.Database.LockBalanceAsync(user.UserId)));
        clock.Start();
        var waiting = stuck[..3].Select(user => cashier.ChargeForAsync(user.UserId, 1)).ToArray();

        var charged = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => cashier.ChargeForAsync(UserIds.Next(), 1)));

        var waited = waiting.Count(static charge => !charge.IsCompleted);
        foreach (var one in locks)
        {
            await one.DisposeAsync();
        }

        clock.Stop();
        foreach (var reply in charged)
        {
            reply.Expect(201);
        }

        await Assert.That(waited).IsEqualTo(3);
        foreach (var reply in await Task.WhenAll(waiting))
        {
            reply.Expect(201);
        }
    });

    /// <summary>The limit of requests per user is of users; a cashier acts for all of them.</summary>
    [Test]
    public async Task Charge_ByACashierBeyondTheLimitOfAUser_IsTaken()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?>(Default) { ["RateLimits__PerUser"] = "5" });
        var (cashier, user) = (Caller(service, "cashier"), Rig.NewVisitor(service));

        for (var charge = 0; charge < 20; charge++)
        {
            (await cashier.ChargeForAsync(user.UserId, 1)).Expect(201);
        }

        await Eventually.GetAsync(() => user.GetAsync("/v1/points"), static reply => reply.Status == 429);
    }

    private Visitor Caller(Instance service, string? role)
    {
        var userId = UserIds.Next();
        return new Visitor(service.Api, userId, AccessTokens.For(Rig.SigningKey, userId, role));
    }
}
