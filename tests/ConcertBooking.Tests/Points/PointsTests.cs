using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Points;

public sealed class PointsTests : SharedRigTests
{
    private const long LargestCharge = 10_000_000;
    private const long LargestBalance = 1_000_000_000;

    [Test]
    public async Task ChargePoints_NewUser_Returns201WithBalance()
    {
        var visitor = Rig.NewVisitor();

        var first = (await visitor.ChargeAsync(100_000)).Expect(201).ExpectMembers("chargeId", "amount", "balance");
        visitor.Api = Rig.B.Api;
        var second = (await visitor.ChargeAsync(1)).Expect(201);

        await Assert.That(Guid.Parse(first.Value("chargeId")).Version).IsEqualTo(7);
        await Assert.That(first.Number("amount")).IsEqualTo(100_000);
        await Assert.That(first.Number("balance")).IsEqualTo(100_000);
        await Assert.That(first.Header("Idempotency-Replayed")).IsNull();
        await Assert.That(second.Number("balance")).IsEqualTo(100_001);
        await Assert.That(second.Value("chargeId")).IsNotEqualTo(first.Value("chargeId"));
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(100_001);
    }

    /// <summary>SQL writes the answer, and the document's schema is made of the record ChargePointsResponse.</summary>
    [Test]
    public async Task ChargePoints_Answer_HasTheMembersOfTheRecord()
    {
        var document = (await Rig.A.Api.GetAsync("/openapi/v1.json")).Expect(200).Json;
        var schemas = document.GetProperty("components").GetProperty("schemas");
        var properties = schemas.GetProperty("ChargePointsResponse").GetProperty("properties");

        var charged = (await Rig.NewVisitor().ChargeAsync(700)).Expect(201).Json;

        charged.ExpectMembers([.. properties.EnumerateObject().Select(static property => property.Name)]);
        foreach (var property in properties.EnumerateObject())
        {
            await Assert.That(charged.GetProperty(property.Name).ValueKind)
                .IsEqualTo(property.Value.Value("type") == "integer" ? JsonValueKind.Number : JsonValueKind.String).Because(property.Name);
        }
    }

    [Test]
    public async Task GetPoints_ManyUsersAtOnce_EachReadsTheirOwn()
    {
        var visitors = Enumerable.Range(0, 150).Select(_ => Rig.NewVisitor()).ToArray();
        await Task.WhenAll(
            visitors.Index().Where(static one => one.Index % 3 > 0)
                .Select(static async one => (await one.Item.ChargeAsync(1_000 + one.Index)).Expect(201)));

        var balances = await Task.WhenAll(visitors.Select(static visitor => visitor.BalanceAsync()));

        foreach (var (index, balance) in balances.Index())
        {
            await Assert.That(balance).IsEqualTo(index % 3 > 0 ? 1_000 + index : 0);
        }
    }

    [Test]
    public async Task ChargePoints_Repeated_ReturnsTheSameBytesAndChargesOnce()
    {
        var visitor = Rig.NewVisitor();
        var key = Visitor.NewKey();
        var first = (await visitor.ChargeAsync(700, key)).Expect(201);
        (await visitor.ChargeAsync(300)).Expect(201);
        visitor.Api = Rig.B.Api;

        var repeat = (await visitor.ChargeAsync(700, key)).Expect(201);

        await Assert.That(repeat.Body.AsSpan().SequenceEqual(first.Body)).IsTrue();
        await Assert.That(repeat.Header("Idempotency-Replayed")).IsEqualTo("true");
        await Assert.That(repeat.Header("Content-Type")).IsEqualTo(first.Header("Content-Type"));
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(1_000);
    }

    [Test]
    public async Task ChargePoints_KeyWithAnotherAmount_Returns422()
    {
        var visitor = Rig.NewVisitor();
        var key = Visitor.NewKey();
        (await visitor.ChargeAsync(700, key)).Expect(201);

        (await visitor.ChargeAsync(701, key)).ExpectProblem(422, "idempotency_key_reused");

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(700);
    }

    [Test]
    public async Task ChargePoints_KeyOfAnotherUser_IsIndependent()
    {
        var key = Visitor.NewKey();
        (await Rig.NewVisitor().ChargeAsync(700, key)).Expect(201);

        var other = (await Rig.NewVisitor().ChargeAsync(900, key)).Expect(201);

        await Assert.That(other.Number("balance")).IsEqualTo(900);
    }

    [Test]
    public Task ChargePoints_FirstIsStillRunning_Returns409InUse() => Eventually.InTimeAsync(Eventually.HalfARequest, async clock =>
    {
        var visitor = Rig.NewVisitor();
        (await visitor.ChargeAsync(1)).Expect(201);
        var key = Visitor.NewKey();
        var balance = await Rig.Database.LockBalanceAsync(visitor.UserId);

        clock.Start();
        Task<Reply>[] running = [visitor.ChargeAsync(5, key), visitor.ChargeAsync(5, key)];
        var refused = await await Task.WhenAny(running);
        await balance.DisposeAsync();
        clock.Stop();

        refused.ExpectProblem(409, "idempotency_key_in_use");
        (await Task.WhenAll(running)).Single(reply => reply != refused).Expect(201);
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(6);
    });

    [Test]
    public async Task ChargePoints_WithoutKey_Returns400()
    {
        var visitor = Rig.NewVisitor();

        (await visitor.PostAsync("/v1/points/charges", """{"amount":1}""")).ExpectProblem(400, "idempotency_key_missing");

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(0);
    }

    [Test]
    [Arguments("""{"amount":0}""", "amount")]
    [Arguments("""{"amount":-1}""", "amount")]
    [Arguments("""{"amount":10000001}""", "amount")]
    [Arguments("""{"amount":9223372036854775808}""", "amount")]
    [Arguments("""{"amount":1.5}""", "amount")]
    [Arguments("""{"amount":1e3}""", "amount")]
    [Arguments("""{"amount":"100"}""", "amount")]
    [Arguments("""{"amount":null}""", "amount")]
    [Arguments("""{"amount":true}""", "amount")]
    [Arguments("{}", null)]
    [Arguments("""{"amount":1""", null)]
    [Arguments("100", null)]
    public async Task ChargePoints_MalformedBody_Returns400(string body, string? field)
    {
        var visitor = Rig.NewVisitor();

        (await visitor.PostAsync("/v1/points/charges", body, ("Idempotency-Key", Visitor.NewKey()))).ExpectInvalid(field);

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(0);
    }

    [Test]
    public async Task ChargePoints_OverTheLimit_Returns409AndMayBeRetriedSmaller()
    {
        var visitor = Rig.NewVisitor();
        for (var charge = 0; charge < 10; charge++)
        {
            await Task.WhenAll(
                Enumerable.Range(0, charge == 9 ? 9 : 10).Select(async _ => (await visitor.ChargeAsync(LargestCharge)).Expect(201)));
        }

        (await visitor.ChargeAsync(LargestCharge - 1)).Expect(201);
        var key = Visitor.NewKey();

        (await visitor.ChargeAsync(2, key)).ExpectProblem(409, "balance_limit_exceeded");

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(LargestBalance - 1);
        var full = (await visitor.ChargeAsync(1, key)).Expect(201);
        await Assert.That(full.Number("balance")).IsEqualTo(LargestBalance);
        (await visitor.ChargeAsync(1)).ExpectProblem(409, "balance_limit_exceeded");
    }

    [Test]
    public async Task GetPoints_NewUser_Returns200Zero()
    {
        var reply = (await Rig.NewVisitor().GetAsync("/v1/points")).Expect(200).ExpectMembers("balance");

        await Assert.That(reply.Number("balance")).IsEqualTo(0);
    }

    [Test]
    public async Task ListTransactions_PageByPage_ShowsOwnNewestFirst()
    {
        var visitor = Rig.NewVisitor();
        var charges = new List<Reply>();
        for (var amount = 1; amount <= 5; amount++)
        {
            charges.Add((await visitor.ChargeAsync(amount)).Expect(201));
        }

        charges.Reverse();

        var all = (await visitor.GetAsync("/v1/points/transactions")).Expect(200).ExpectMembers("items", "nextCursor");
        var first = (await visitor.GetAsync("/v1/points/transactions?limit=3")).Expect(200);
        visitor.Api = Rig.B.Api;
        var second = (await visitor.GetAsync($"/v1/points/transactions?limit=3&cursor={first.Value("nextCursor")}")).Expect(200);

        var newest = all.Items()[0];
        newest.ExpectMembers("type", "amount", "balance", "at", "reference");
        await Assert.That(newest.Value("type")).IsEqualTo("CHARGE");
        await Assert.That(newest.Number("amount")).IsEqualTo(5);
        await Assert.That(newest.Number("balance")).IsEqualTo(15);
        await Assert.That((newest.Moment("at") - TimeProvider.System.GetUtcNow()).Duration()).IsLessThan(TimeSpan.FromSeconds(30));
        await Assert.That(References(all).SequenceEqual(charges.Select(charge => charge.Value("chargeId")))).IsTrue();
        await Assert.That(References(first).Concat(References(second)).SequenceEqual(References(all))).IsTrue();
        await Assert.That(all.Json.IsNull("nextCursor")).IsTrue();
        await Assert.That(second.Json.IsNull("nextCursor")).IsTrue();
    }

    [Test]
    public async Task ListTransactions_NewUser_Returns200Empty() =>
        await Assert.That((await Rig.NewVisitor().GetAsync("/v1/points/transactions")).Expect(200).Items()).IsEmpty();

    [Test]
    [Arguments("limit=0", "limit")]
    [Arguments("limit=1000000", "limit")]
    [Arguments("cursor=garbage", "cursor")]
    [Arguments("cursor=dIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cursor")]
    public async Task ListTransactions_InvalidQuery_Returns400(string query, string field) =>
        (await Rig.NewVisitor().GetAsync($"/v1/points/transactions?{query}")).ExpectInvalid(field);

    /// <summary>Made-up cursors: the first moment of all, one before any column's, the last that a column holds, and later ones.</summary>
    [Test]
    [Arguments("dAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 200)]
    [Arguments("dAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAA", 200)]
    [Arguments("dAiff_X3HOmAAAAAAAAAAAAAAAAAAAAAAA", 200)]
    [Arguments("dAjryzX3HOmAAAAAAAAAAAAAAAAAAAAAAA", 200)]
    [Arguments("dAjryzX3HOmBAAAAAAAAAAAAAAAAAAAAAA", 400)]
    [Arguments("dH__________AAAAAAAAAAAAAAAAAAAAAA", 400)]
    public async Task ListTransactions_CursorAtTheEndsOfTime_IsNoFault(string cursor, int status)
    {
        var visitor = Rig.NewVisitor();
        (await visitor.ChargeAsync(1)).Expect(201);

        var reply = await visitor.GetAsync($"/v1/points/transactions?cursor={cursor}");

        await Assert.That(reply.Status).IsEqualTo(status).Because(reply.ToString());
    }

    [Test]
    public async Task Points_WithoutAccessToken_Returns401()
    {
        (await Rig.A.Api.GetAsync("/v1/points")).ExpectProblem(401, "unauthorized");
        (await Rig.A.Api.GetAsync("/v1/points/transactions")).ExpectProblem(401, "unauthorized");
        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/points/charges", """{"amount":1}""", ("Idempotency-Key", "k")))
            .ExpectProblem(401, "unauthorized");
    }

    private static IEnumerable<string> References(Reply reply) => reply.Items().Select(item => item.Value("reference"));
}
