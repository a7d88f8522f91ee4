using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Queue;

public sealed class IssueTokenTests : SharedRigTests
{
    [Test]
    public async Task IssueToken_FreePlace_Returns201Active()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(activeSeconds: 600);
        var before = TimeProvider.System.GetUtcNow();

        var reply = (await Rig.NewVisitor().EnterAsync(queue)).Expect(201)
            .ExpectMembers("token", "queue", "status", "position", "etaSeconds", "expiresAt", "pollAfterMs");

        await Assert.That(reply.Value("token")).IsNotEmpty();
        await Assert.That(reply.Value("queue")).IsEqualTo(queue);
        await Assert.That(reply.Value("status")).IsEqualTo("ACTIVE");
        await Assert.That(reply.Number("position")).IsEqualTo(0);
        await Assert.That(reply.Number("pollAfterMs")).IsGreaterThan(0);
        await Assert.That(reply.Json.Moment("expiresAt") - before).IsBetween(TimeSpan.FromSeconds(595), TimeSpan.FromSeconds(630));
    }

    [Test]
    public async Task IssueToken_NoFreePlace_Returns201WaitingInOrder()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor().EnteredAsync(queue);

        for (var position = 1; position <= 3; position++)
        {
            var reply = (await Rig.NewVisitor().EnterAsync(queue)).Expect(201);
            await Assert.That(reply.Value("status")).IsEqualTo("WAITING");
            await Assert.That(reply.Number("position")).IsEqualTo(position);
            await Assert.That(reply.Json.IsNull("expiresAt")).IsTrue();
            await Assert.That(reply.Json.IsNull("etaSeconds")).IsTrue().Because("nobody has been admitted from the line yet");
        }
    }

    [Test]
    public async Task IssueToken_LongerLine_AsksLessOften()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor().EnteredAsync(queue);
        var first = (await Rig.NewVisitor().EnteredAsync(queue)).Number("pollAfterMs");
        await Task.WhenAll(Enumerable.Range(0, 60).Select(async _ => await Rig.NewVisitor().EnteredAsync(queue)));

        var last = (await Rig.NewVisitor().EnteredAsync(queue)).Number("pollAfterMs");

        await Assert.That(last).IsGreaterThan(first);
    }

    [Test]
    public async Task IssueToken_AdmittedFromTheQueue_ReturnsEtaToTheRest()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor().EnteredAsync(queue);
        await Rig.NewVisitor().EnteredAsync(queue);
        var waiting = Rig.NewVisitor();
        await waiting.EnteredAsync(queue);

        (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 2)).Expect(200);

        var place = (await waiting.PlaceAsync()).Expect(200);
        await Assert.That(place.Number("position")).IsEqualTo(1);
        await Assert.That(place.Number("etaSeconds")).IsGreaterThan(0);
    }

    [Test]
    [Arguments(null)]
    [Arguments("{}")]
    [Arguments("""{"queue":null}""")]
    [Arguments("""{"queue":"main"}""")]
    [Arguments("""{"queue":"main","colour":"blue"}""")]
    public async Task IssueToken_NoQueueOrMain_EntersMain(string? body)
    {
        var visitor = Rig.NewVisitor();

        var reply = (await visitor.PostAsync("/v1/queue/tokens", body)).Expect(201);

        await Assert.That(reply.Value("queue")).IsEqualTo("main");
        visitor.QueueToken = reply.Value("token");
        (await visitor.LeaveAsync()).Expect(204);
    }

    [Test]
    public async Task IssueToken_AgainWhileWaiting_Returns200SamePlaceOnTheOtherInstance()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor().EnteredAsync(queue);
        var visitor = Rig.NewVisitor();
        await visitor.EnteredAsync(queue);
        await Rig.NewVisitor().EnteredAsync(queue);
        visitor.Api = Rig.B.Api;

        var again = (await visitor.EnterAsync(queue)).Expect(200);

        await Assert.That(again.Value("status")).IsEqualTo("WAITING");
        await Assert.That(again.Number("position")).IsEqualTo(1);
        (await visitor.PlaceAsync()).Expect(200);
    }

    [Test]
    public async Task IssueToken_AgainWhileActive_Returns200SameEnd()
    {
        var queue = await Rig.Catalogue.AddQueueAsync();
        var visitor = Rig.NewVisitor();
        var first = await visitor.EnteredAsync(queue);

        var again = (await visitor.EnterAsync(queue)).Expect(200);

        await Assert.That(again.Value("status")).IsEqualTo("ACTIVE");
        await Assert.That(again.Value("expiresAt")).IsEqualTo(first.Value("expiresAt"));
    }

    [Test]
    public async Task IssueToken_AfterLeaving_Returns201AtTheEnd()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor().EnteredAsync(queue);
        var visitor = Rig.NewVisitor();
        await visitor.EnteredAsync(queue);
        await Rig.NewVisitor().EnteredAsync(queue);
        (await visitor.LeaveAsync()).Expect(204);

        var again = (await visitor.EnterAsync(queue)).Expect(201);

        await Assert.That(again.Number("position")).IsEqualTo(2);
        (await visitor.PlaceAsync()).Expect(200);
    }

    [Test]
    public async Task IssueToken_TwoQueues_GivesTwoPlaces()
    {
        var (one, other) = (await Rig.Catalogue.AddQueueAsync(), await Rig.Catalogue.AddQueueAsync());
        var visitor = Rig.NewVisitor();
        var first = (await visitor.EnteredAsync(one)).Value("token");

        await Assert.That((await visitor.EnterAsync(other)).Expect(201).Value("queue")).IsEqualTo(other);

        visitor.QueueToken = first;
        await Assert.That((await visitor.PlaceAsync()).Expect(200).Value("queue")).IsEqualTo(one);
    }

    [Test]
    [Arguments("never-made")]
    [Arguments("")]
    [Arguments("MAIN")]
    [Arguments("main}:active")]
    [Arguments("' OR 1=1 --")]
    public async Task IssueToken_UnknownQueue_Returns404(string queue) =>
        (await Rig.NewVisitor().EnterAsync(queue)).ExpectProblem(404, "queue_not_found");

    [Test]
    [Arguments("""{"queue":7}""")]
    [Arguments("""{"queue":["main"]}""")]
    [Arguments("""{"queue":"main" """)]
    [Arguments("""["main"]""")]
    [Arguments("main")]
    public async Task IssueToken_MalformedBody_Returns400(string body) =>
        (await Rig.NewVisitor().PostAsync("/v1/queue/tokens", body)).ExpectInvalid();

    [Test]
    public async Task IssueToken_WithoutAccessToken_Returns401() =>
        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/queue/tokens")).ExpectProblem(401, "unauthorized");

    [Test]
    public async Task IssueToken_QueueIsFull_Returns503QueueFull()
    {
        await using var small = await Rig.StartAsync(new Dictionary<string, string?> { ["Queue__MaxWaiting"] = "2" });
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        await Rig.NewVisitor(small).EnteredAsync(queue);
        var second = Rig.NewVisitor(small);
        await second.EnteredAsync(queue);
        await Rig.NewVisitor(small).EnteredAsync(queue);
        var late = Rig.NewVisitor(small);

        (await late.EnterAsync(queue)).ExpectProblem(503, "queue_full").ExpectRetryAfter();

        (await second.EnterAsync(queue)).Expect(200);
        (await second.LeaveAsync()).Expect(204);
        (await late.EnterAsync(queue)).Expect(201);
    }
}
