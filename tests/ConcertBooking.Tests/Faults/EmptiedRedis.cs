using ConcertBooking.Tests.Support;
using StackExchange.Redis;

namespace ConcertBooking.Tests.Faults;

/// <summary>Redis loses its data in the middle of a sale: the tokens bring the line back.</summary>
public sealed class EmptiedRedis : RedisFaultTests
{
    [Test, Category("Long"), Explicit]
    public async Task Flush_ThousandWaitingFiftyActive_OrderAndPassesAreKeptAndTheLimitHolds()
    {
        const int Places = 50, Line = 1_000;
        await using var fleet = await Fleet.StartAsync(Rig, 2);
        var show = await fleet.Catalogue.AddShowAsync(seats: Places, maxActive: Places);
        var visitors = new Visitor[Places + Line];
        for (var index = 0; index < visitors.Length; index++)
        {
            await (visitors[index] = fleet.NewVisitor(index % 2)).EnteredAsync(show.Queue);
        }

        await using var redis = await ConnectionMultiplexer.ConnectAsync($"{Rig.Servers.Redis.ConnectionString},allowAdmin=true");

        await redis.GetServers()[0].FlushAllDatabasesAsync();

        // A newcomer and those from the end of the line are the first to ask; the admitted come last.
        var newcomer = fleet.NewVisitor();
        await Assert.That((await newcomer.EnterAsync(show.Queue)).Expect(201).Value("status")).IsEqualTo("WAITING");
        foreach (var visitor in visitors.Skip(Places).Reverse().Take(30))
        {
            await Assert.That((await AskAsync(visitor)).Expect(200).Value("status")).IsEqualTo("WAITING");
        }

        var waiting = visitors[Places..];
        Random.Shared.Shuffle(waiting);
        await Rush.AllAtOnceAsync(waiting, async visitor => (await AskAsync(visitor)).Expect(200));
        foreach (var visitor in visitors.Take(Places))
        {
            await Assert.That((await AskAsync(visitor)).Expect(200).Value("status")).IsEqualTo("ACTIVE");
        }

        for (var index = 0; index < visitors.Length; index += 7)
        {
            var place = (await AskAsync(visitors[index])).Expect(200);
            await Assert.That(place.Number("position")).IsEqualTo(Math.Max(0, index - Places + 1));
        }
        var queue = await fleet.Catalogue.GetQueueAsync(show.Queue);
        await Assert.That((queue.Number("active"), queue.Number("waiting"))).IsEqualTo((Places, Line + 1));
        await Assert.That((await newcomer.PlaceAsync()).Expect(200).Number("position")).IsEqualTo(Line + 1);

        // The line moves again, at the latest when the passes had their time.
        (await visitors[0].LeaveAsync()).Expect(204);
        await Eventually.GetAsync(visitors[Places].PlaceAsync, place => place.Expect(200).Value("status") == "ACTIVE");
        await Assert.That((await visitors[Places + 1].PlaceAsync()).Expect(200).Number("position")).IsEqualTo(1);
        await fleet.VerifyAsync();
    }

    /// <summary>On a busy machine Redis may be late: 503, and the same call again finds the same place.</summary>
    private static Task<Reply> AskAsync(Visitor visitor) =>
        Eventually.AnsweredAsync(visitor.PlaceAsync);
}
