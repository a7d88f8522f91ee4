using ConcertBooking.Tests.Chaos;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>kill -9 in the middle of everything: what was answered is there, the rest is wholly there or not at all.</summary>
public sealed class KilledInstances : FaultTests
{
    private const int Customers = 12;

    /// <summary>Three instances, each killed again and again at moments that its seeds choose: 100 kills in all.</summary>
    [Test]
    public async Task Kill_HundredTimesUnderLoad_NothingHalf()
    {
        const int Instances = 3;
        const int Kills = 102;
        await using var fleet = await Fleet.StartAsync(Rig, Instances, ("Holds__Seconds", "5"));
        var shows = await Sale.OpenAsync(fleet, schedules: 20, maxActive: Customers - 2);
        var journal = new Journal();
        using var stop = new CancellationTokenSource();
        var customers = Enumerable.Range(0, Customers).Select(seed => new Customer(fleet, shows, journal, seed).RunAsync(stop.Token)).ToArray();

        await Task.WhenAll(fleet.Members.Select((member, index) => KillAsync(member, seed: index, Kills / Instances)));
        await stop.CancelAsync();
        await Task.WhenAll(customers);

        await fleet.SettleAsync(journal);
        TestContext.Current!.Output.WriteLine(journal.Tally());
        foreach (var call in (string[])["hold", "pay", "release", "charge"])
            await Assert.That(journal.Count(call, Outcome.Ok)).IsGreaterThan(20);
        await Assert.That(journal.Attempts.Count(attempt => attempt.Outcome is Outcome.Unknown)).IsGreaterThan(Kills / 4);
    }

    private static async Task KillAsync(Fleet.Member member, int seed, int times)
    {
        var random = new Random(seed);
        for (var kill = 0; kill < times; kill++)
        {
            await Task.Delay(random.Next(50, 500));
            await member.KillAsync();
            await member.StartAsync();
        }
    }
}
