using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Queue;

public sealed class LeaveQueueTests : SharedRigTests
{
    [Test]
    public async Task LeaveQueue_Active_Returns204AndVoidsEveryToken()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = Rig.NewVisitor();
        var older = (await visitor.EnteredAsync(show.Queue)).Value("token");
        var newer = (await visitor.PlaceAsync()).Expect(200).Value("token");

        var reply = (await visitor.LeaveAsync()).Expect(204);

        await Assert.That(reply.Body).IsEmpty();
        foreach (var token in (string[])[older, newer])
        {
            visitor.QueueToken = token;
            (await visitor.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
            (await visitor.LeaveAsync()).ExpectProblem(410, "queue_token_expired");
            (await visitor.HoldAsync(show)).ExpectProblem(410, "queue_token_expired");
            (await visitor.PayAsync(Guid.NewGuid().ToString())).ExpectProblem(410, "queue_token_expired");
        }
    }

    [Test]
    public async Task LeaveQueue_Active_HandsThePlaceToTheNextAtOnce()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        Visitor[] visitors = [Rig.NewVisitor(), Rig.NewVisitor(Rig.B), Rig.NewVisitor()];
        foreach (var visitor in visitors)
        {
            await visitor.EnteredAsync(queue);
        }

        (await visitors[0].LeaveAsync()).Expect(204);

        await Assert.That((await visitors[1].PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
        await Assert.That((await visitors[2].PlaceAsync()).Expect(200).Number("position")).IsEqualTo(1);
    }

    [Test]
    public async Task LeaveQueue_Waiting_MovesTheRestUp()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        Visitor[] visitors = [Rig.NewVisitor(), Rig.NewVisitor(), Rig.NewVisitor()];
        foreach (var visitor in visitors)
        {
            await visitor.EnteredAsync(queue);
        }

        (await visitors[1].LeaveAsync()).Expect(204);

        await Assert.That((await visitors[2].PlaceAsync()).Expect(200).Number("position")).IsEqualTo(1);
    }

    [Test]
    public async Task LeaveQueue_AndEnterInTheSameMoment_TheNewPlaceStands()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 5);
        var visitors = Enumerable.Range(0, 60).Select(_ => Rig.NewVisitor()).ToArray();
        await Task.WhenAll(visitors.Select(visitor => visitor.EnterAsync(queue)));
        var newPlaces = 0;
        for (var round = 0; round < 10; round++)
        {
            await Task.WhenAll(visitors.Select(async visitor =>
            {
                var leaving = visitor.LeaveAsync();
                var entering = visitor.EnterAsync(queue);
                await leaving;
                var entered = await entering;
                if (entered.Status is 201) // it left before, so this place is no older one that it gave up
                {
                    Interlocked.Increment(ref newPlaces);
                    (await visitor.PlaceAsync()).Expect(200);
                }
                else
                {
                    await visitor.EnterAsync(queue);
                }
            }));
        }

        await Assert.That(newPlaces).IsGreaterThan(50);
    }

    [Test]
    public async Task LeaveQueue_WithoutToken_Returns401Missing() =>
        (await Rig.NewVisitor().LeaveAsync()).ExpectProblem(401, "queue_token_missing");

    [Test]
    public async Task LeaveQueue_WithForgedToken_Returns401Invalid()
    {
        var visitor = Rig.NewVisitor();
        visitor.QueueToken = "forged";

        (await visitor.LeaveAsync()).ExpectProblem(401, "queue_token_invalid");
    }
}
