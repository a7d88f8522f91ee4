using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Queue;

public sealed class GetPlaceTests : SharedRigTests
{
    [Test]
    public async Task GetPlace_Active_Returns200WithSameEndOnBothInstances()
    {
        var queue = await Rig.Catalogue.AddQueueAsync();
        var visitor = Rig.NewVisitor();
        var entered = await visitor.EnteredAsync(queue);

        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            visitor.Api = instance.Api;
            var place = (await visitor.PlaceAsync()).Expect(200)
                .ExpectMembers("token", "queue", "status", "position", "etaSeconds", "expiresAt", "pollAfterMs");
            await Assert.That(place.Value("status")).IsEqualTo("ACTIVE");
            await Assert.That(place.Number("position")).IsEqualTo(0);
            await Assert.That(place.Json.Moment("expiresAt")).IsEqualTo(entered.Json.Moment("expiresAt"));
        }
    }

    [Test]
    public async Task GetPlace_Waiting_Returns200WithPositionOnBothInstances()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor().EnteredAsync(queue);
        await Rig.NewVisitor().EnteredAsync(queue);
        var visitor = Rig.NewVisitor();
        await visitor.EnteredAsync(queue);

        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            visitor.Api = instance.Api;
            var place = (await visitor.PlaceAsync()).Expect(200);
            await Assert.That(place.Value("status")).IsEqualTo("WAITING");
            await Assert.That(place.Number("position")).IsEqualTo(2);
            await Assert.That(place.Json.IsNull("expiresAt")).IsTrue();
        }
    }

    [Test]
    public async Task GetPlace_WithOlderToken_StillReturns200()
    {
        var queue = await Rig.Catalogue.AddQueueAsync();
        var visitor = Rig.NewVisitor();
        var older = (await visitor.EnteredAsync(queue)).Value("token");
        var newer = (await visitor.PlaceAsync()).Expect(200).Value("token");

        visitor.QueueToken = older;
        (await visitor.PlaceAsync()).Expect(200);

        await Assert.That(newer).IsNotEqualTo(older);
    }

    [Test]
    public async Task GetPlace_WithTokenFromWaitingTime_IsActiveAfterAdmission()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        var first = Rig.NewVisitor();
        await first.EnteredAsync(queue);
        var second = Rig.NewVisitor();
        await second.EnteredAsync(queue);

        (await first.LeaveAsync()).Expect(204);

        await Assert.That((await second.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
    }

    [Test]
    public async Task GetPlace_WithoutToken_Returns401Missing() =>
        (await Rig.A.Api.GetAsync("/v1/queue/tokens/current")).ExpectProblem(401, "queue_token_missing");

    [Test]
    [Arguments("x")]
    [Arguments("not a token")]
    [Arguments("AAAA")]
    [Arguments("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln")]
    public async Task GetPlace_WithAnythingElse_Returns401Invalid(string token) =>
        (await Rig.A.Api.GetAsync("/v1/queue/tokens/current", ("Queue-Token", token))).ExpectProblem(401, "queue_token_invalid");

    [Test]
    public async Task GetPlace_WithEndlessToken_Returns401Invalid() =>
        (await Rig.A.Api.GetAsync("/v1/queue/tokens/current", ("Queue-Token", new string('A', 8_000))))
            .ExpectProblem(401, "queue_token_invalid");

    [Test]
    public async Task GetPlace_WithTruncatedOrChangedToken_Returns401Invalid()
    {
        var visitor = Rig.NewVisitor();
        var token = (await visitor.EnteredAsync(await Rig.Catalogue.AddQueueAsync())).Value("token");

        string[] forgeries =
        [
            token[..^1], token[..^8], token[..(token.Length / 2)], token[1..], token + "A",
            .. Enumerable.Range(0, 16).Select(part => Change(token, part * (token.Length - 2) / 15)),
        ];
        foreach (var forged in forgeries)
        {
            visitor.QueueToken = forged;
            (await visitor.PlaceAsync()).ExpectProblem(401, "queue_token_invalid");
        }
    }

    [Test]
    public async Task GetPlace_SignedWithAnotherKey_Returns401Invalid()
    {
        await using var stranger = await Rig.StartAsync(new Dictionary<string, string?> { ["QueueToken__SigningKey"] = Rig.NewKey() });
        var visitor = Rig.NewVisitor(stranger);
        await visitor.EnteredAsync(await Rig.Catalogue.AddQueueAsync());
        (await visitor.PlaceAsync()).Expect(200);
        visitor.Api = Rig.A.Api;

        (await visitor.PlaceAsync()).ExpectProblem(401, "queue_token_invalid");
    }

    [Test]
    public async Task GetPlace_AdmissionIsOver_Returns410()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(activeSeconds: 1);
        var visitor = Rig.NewVisitor();
        await visitor.EnteredAsync(queue);
        var token = visitor.QueueToken;

        var reply = await Eventually.GetAsync(() => Eventually.AnsweredAsync(visitor.PlaceAsync), reply => reply.Status != 200);

        reply.ExpectProblem(410, "queue_token_expired");
        visitor.QueueToken = token;
        (await visitor.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
    }

    [Test]
    public async Task GetPlace_AdmissionOfOneIsOver_AdmitsTheNext()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1, activeSeconds: 5);
        await Rig.NewVisitor().EnteredAsync(queue);
        var next = Rig.NewVisitor();
        var waiting = await next.EnteredAsync(queue);

        await Assert.That(waiting.Value("status")).IsEqualTo("WAITING");
        await Eventually.GetAsync(() => Eventually.AnsweredAsync(next.PlaceAsync), place => place.Expect(200).Value("status") == "ACTIVE");
    }

    [Test]
    public async Task GetPlace_OwnerStopsAsking_PlaceIsDropped()
    {
        // Alone, because its sweep would drop the silent of every queue it knows.
        await using var impatient = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Queue__IdleSeconds"] = "5" });
        var queue = await impatient.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor(impatient).EnteredAsync(queue);
        var silent = Rig.NewVisitor(impatient);
        await silent.EnteredAsync(queue);
        var asking = Rig.NewVisitor(impatient);
        await asking.EnteredAsync(queue);

        await Eventually.GetAsync(() => Eventually.AnsweredAsync(asking.PlaceAsync), place => place.Expect(200).Number("position") == 1);

        (await silent.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
    }

    private static string Change(string token, int index) =>
        string.Concat(token.AsSpan(0, index), token[index] == 'A' ? "B" : "A", token.AsSpan(index + 1));
}
