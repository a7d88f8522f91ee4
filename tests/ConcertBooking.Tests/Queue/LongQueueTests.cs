using System.Buffers.Binary;
using System.Buffers.Text;
using System.Collections.Concurrent;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Queue;

/// <summary>The crowd at opening: many users in one queue, and users who vanish.</summary>
[Category("Long"), Explicit, NotInParallel]
public sealed class LongQueueTests : SharedRigTests
{
    private const int AtOnce = 128;

    [Test]
    public async Task TenThousandUsers_OnTwoInstances_GetPlacesInOrderAndNeverMoreThanMaxActive()
    {
        const int Users = 10_000, Places = 50, Leavers = 300;
        var queue = await Rig.Catalogue.AddQueueAsync(Places);
        var entered = new ConcurrentBag<(Visitor Visitor, long Ticket, long Position)>();
        using var stop = new CancellationTokenSource();
        var most = WatchMostActiveAsync(queue, stop.Token);

        await ForEachAsync(Users, async index =>
        {
            var visitor = Rig.NewVisitor(index % 2 == 0 ? Rig.A : Rig.B);
            // On a busy machine Redis may be late: 503, and the same call again finds the same place.
            var reply = await Eventually.AnsweredAsync(() => visitor.EnterAsync(queue));
            entered.Add((visitor, Ticket(reply.Value("token")), reply.Number("position")));
        });

        var byTicket = entered.OrderBy(user => user.Ticket).ToArray();
        await Assert.That(byTicket.Select(user => user.Ticket).Distinct().Count()).IsEqualTo(Users);
        await Assert.That(byTicket.Select(user => user.Position).SequenceEqual(
            Enumerable.Repeat(0L, Places).Concat(Enumerable.Range(1, Users - Places).Select(position => (long)position)))).IsTrue()
            .Because("positions run from 1 without gap or repeat, in the order of the tickets");

        // Places are given up in random order, and always the next by ticket number has them.
        await ForEachAsync(Leavers, async index => (await byTicket[index].Visitor.LeaveAsync()).Expect(204));
        for (var index = Leavers; index < Leavers + Places + 20; index++)
        {
            var place = (await byTicket[index].Visitor.PlaceAsync()).Expect(200);
            await Assert.That(place.Number("position")).IsEqualTo(Math.Max(0, index - Leavers - Places + 1));
        }
        await stop.CancelAsync();
        await Assert.That(await most).IsEqualTo(Places);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task TwelveRoundsOfVanishingUsers_TheQueueKeepsMoving()
    {
        const int Rounds = 12, Places = 5;
        var queue = await Rig.Catalogue.AddQueueAsync(Places, activeSeconds: 1);
        await ForEachAsync(
            Rounds * Places, async index => await Rig.NewVisitor(index % 2 == 0 ? Rig.A : Rig.B).EnteredAsync(queue));

        var empty = await Eventually.GetAsync(
            () => Rig.Catalogue.GetQueueAsync(queue), reply => reply.Number("active") + reply.Number("waiting") == 0);

        await Assert.That(empty.Number("active")).IsEqualTo(0);
        var after = await Rig.NewVisitor().EnteredAsync(queue);
        await Assert.That(after.Value("status")).IsEqualTo("ACTIVE");
    }

    private async Task<long> WatchMostActiveAsync(string queue, CancellationToken stop)
    {
        var most = 0L;
        while (!stop.IsCancellationRequested)
        {
            most = Math.Max(most, (await Rig.Catalogue.GetQueueAsync(queue)).Number("active"));
            await Task.Delay(10, CancellationToken.None);
        }
        return most;
    }

    /// <summary>The ticket number inside a token; clients have no business with it.</summary>
    private static long Ticket(string token) => BinaryPrimitives.ReadInt64BigEndian(Base64Url.DecodeFromChars(token).AsSpan(9));

    private static Task ForEachAsync(int count, Func<int, Task> call) => Parallel.ForAsync(
        0, count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (index, _) => await call(index));
}
