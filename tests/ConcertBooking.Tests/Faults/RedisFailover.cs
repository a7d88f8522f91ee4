using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>The primary dies under load, under Sentinel and in a cluster: the line goes on within 15 s, in its order.</summary>
public sealed class RedisFailover : RedisFaultTests
{
    private const int Places = 20;
    private const int Line = 60;
    private static readonly TimeSpan Promised = Eventually.Promised(seconds: 15);

    [Test, Category("Long"), Explicit]
    public async Task Failover_UnderSentinel_TheLineGoesOnInItsOrder()
    {
        await using var redis = await RedisFleet.StartSentinelAsync();
        await FailOverAsync(redis);
    }

    [Test, Category("Long"), Explicit]
    public async Task Failover_InACluster_TheLineGoesOnInItsOrder()
    {
        await using var redis = await RedisFleet.StartClusterAsync();
        await FailOverAsync(redis);
    }

    private async Task FailOverAsync(RedisFleet redis)
    {
        await using var fleet = await Fleet.StartAsync(Rig, 2, (RedisServers.Setting, redis.ConnectionString));
        var show = await fleet.Catalogue.AddShowAsync(seats: Places + Line, maxActive: Places);
        var visitors = new List<Visitor>();
        for (var index = 0; index < Places + Line; index++)
        {
            var visitor = fleet.NewVisitor(index % 2);
            await visitor.EnteredAsync(show.Queue);
            visitors.Add(visitor);
        }

        // Load: everybody asks, and every 50 ms one of those admitted leaves to the benefit of the next.
        using var stop = new CancellationTokenSource();
        var handedOn = new ConcurrentQueue<long>();
        var load = LoadAsync(visitors, handedOn, stop.Token);
        await Eventually.TrueAsync(() => handedOn.Count > 10);

        var primary = await redis.PrimaryOfAsync($"{{q:{show.Queue}}}:waiting");
        await primary.KillAsync();
        var killed = Stopwatch.GetTimestamp();
        var inLostWindow = handedOn.Count(at => Stopwatch.GetElapsedTime(at, killed) < TimeSpan.FromSeconds(1));
        await stop.CancelAsync();
        var gone = await load;

        var backAfter = new List<TimeSpan>();
        for (var member = 0; member < 2; member++)
        {
            var newcomer = fleet.NewVisitor(member);
            await Eventually.GetAsync(() => newcomer.EnterAsync(show.Queue), reply => reply.Status is 200 or 201, Promised);
            backAfter.Add(Stopwatch.GetElapsedTime(killed));
        }
        Console.Error.WriteLine(
            $"room: back after {string.Join(" and ", backAfter.Select(time => $"{time.TotalSeconds:0.0} s"))}, {inLostWindow} "
                + "handed on in the last second");
        await Assert.That(backAfter.Max()).IsLessThan(Promised);

        var left = visitors.Skip(gone).ToArray();
        var places = new List<(long Position, bool Active)>();
        for (var round = 0; round < 2; round++) // the second after everybody has shown a token
        {
            places.Clear();
            foreach (var visitor in left)
            {
                var place = (await visitor.PlaceAsync()).Expect(200);
                places.Add((place.Number("position"), place.Value("status") == "ACTIVE"));
            }
        }

        await Assert.That(places.Count(place => place.Active))
            .IsLessThanOrEqualTo(Places + inLostWindow).Because("only the lost window may admit beyond the limit");
        await Assert.That(places.Count(place => place.Active)).IsGreaterThanOrEqualTo(Places - 1);
        await Assert.That(places.Where(place => !place.Active).Select(place => place.Position).SequenceEqual(
            places.Where(place => !place.Active).Select(place => place.Position).Order())).IsTrue().Because("the tokens keep the order");
        await Assert.That(places.SkipWhile(place => place.Active).All(place => !place.Active)).IsTrue().Because("first come, first served");
        await primary.StartAsync();
        await left[0].HeldAsync(show);
    }

    /// <returns>How many have left, from the front.</returns>
    private static async Task<int> LoadAsync(List<Visitor> visitors, ConcurrentQueue<long> handedOn, CancellationToken stop)
    {
        var gone = 0;
        while (!stop.IsCancellationRequested)
        {
            if (gone < Line / 2)
            {
                var reply = await visitors[gone].LeaveAsync();
                if (reply.Status is 204)
                {
                    gone++;
                    handedOn.Enqueue(Stopwatch.GetTimestamp());
                }
                else if (reply.Status is 503)
                {
                    gone++; // whether it was done nobody can tell, so it counts for neither side
                    break;
                }
            }
            foreach (var visitor in visitors.Skip(gone).Take(20))
            {
                await visitor.PlaceAsync();
            }

            await Task.Delay(50, CancellationToken.None);
        }
        return gone;
    }
}
