using ConcertBooking.Servers;
using ConcertBooking.Tests.Chaos;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>kill -9 in the middle of everything: what was answered is there, the rest is wholly there or not at all.</summary>
public sealed class KilledInstances : FaultTests
{
    private const int Customers = 12;

    /// <summary>
    /// Three instances, each killed again and again, 100 times in all: each seed chooses the moment of one kill, in the
    /// midst of holds, payments, releases, or of the relay's claim, send and delete. A slow machine, on which little comes through
    /// between two kills, is given more of them.
    /// </summary>
    [Test, Category("Long"), Explicit]
    public async Task Kill_HundredSeedsUnderLoad_NothingHalf()
    {
        const int Instances = 3;
        const int Kills = 100;
        const int MaximumKills = 1000;
        const int Successes = 20;
        string[] calls = ["hold", "pay", "release", "charge"];
        var kafka = Rig.Servers.Kafka.ConnectionString;
        await using var fleet = await Fleet.StartAsync(Rig, Instances, ("Holds__Seconds", "5"), (KafkaServers.Setting, kafka));
        var shows = await Sale.OpenAsync(fleet, schedules: 20, maxActive: Customers - 2);
        var journal = new Journal();
        using var stop = new CancellationTokenSource();
        var customers = Enumerable.Range(0, Customers)
            .Select(seed => new Customer(fleet, shows, journal, seed).RunAsync(stop.Token)).ToArray();

        await Task.WhenAll(fleet.Members.Select((member, index) =>
            KillAsync(member, Enumerable.Range(0, MaximumKills).Where(seed => seed % Instances == index).TakeWhile(IsWanted))));
        await stop.CancelAsync();
        await Task.WhenAll(customers);

        await fleet.SettleAsync(journal, kafka);
        TestContext.Current!.Output.WriteLine(journal.Tally());
        await Assert.That(calls.Where(IsRare)).IsEmpty();
        await Assert.That(journal.Attempts.Count(attempt => attempt.Outcome is Outcome.Unknown)).IsGreaterThan(Kills / 4);

        bool IsWanted(int seed) => seed < Kills || calls.Any(IsRare);

        bool IsRare(string call) => journal.Count(call, Outcome.Ok) <= Successes;
    }

    private static async Task KillAsync(Fleet.Member member, IEnumerable<int> seeds)
    {
        foreach (var seed in seeds)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50 + (450 * new Random(seed).NextDouble())));
            await member.KillAsync();
            await member.StartAsync();
        }
    }
}
