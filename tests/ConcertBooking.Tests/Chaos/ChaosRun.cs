using System.Globalization;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Faults;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Chaos;

/// <summary>
/// Three instances, customers, and faults that a seed chooses; then everything is restored, and the database must tell
/// what the customers were told. The seed decides the faults, their moments and the customers' decisions; threads and
/// networks still interleave as they like, so a seed that failed is worth repeating a few times.
/// <code>CHAOS_SEED=7 CHAOS_SECONDS=60 CHAOS_RUNS=1 dotnet test --treenode-filter "/*/*/ChaosRun/*"</code>
/// Each further run takes the next seed.
/// </summary>
[Category("Chaos"), Explicit]
public sealed class ChaosRun : FaultTests
{
    private const int Instances = 3;
    private const int Customers = 16;

    [Test]
    public async Task Chaos_ThenRecovery_TheDatabaseAgreesWithTheAnswers()
    {
        var seconds = Setting("CHAOS_SECONDS", 60);
        var first = Setting("CHAOS_SEED", Random.Shared.Next(1_000_000));
        for (var seed = first; seed < first + Setting("CHAOS_RUNS", 1); seed++)
        {
            var repeat = $"CHAOS_SEED={seed} CHAOS_SECONDS={seconds} dotnet test --treenode-filter \"/*/*/ChaosRun/*\"";
            Report($"seed {seed}; to repeat: {repeat}");
            try
            {
                await RunAsync(seed, TimeSpan.FromSeconds(seconds));
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"Chaos with seed {seed} failed; to repeat: {repeat}\n{exception.Message}", exception);
            }
        }
    }

    private async Task RunAsync(int seed, TimeSpan time)
    {
        await using var mysql = TcpProxy.OfMySql(Rig.Servers.MySql.ConnectionString);
        var redisAt = Rig.Servers.Redis.ConnectionString.Split(',')[0].Split(':');
        await using var redis = new TcpProxy(redisAt[0], int.Parse(redisAt[1], CultureInfo.InvariantCulture));
        await using var fleet = await Fleet.StartAsync(Rig, Instances, database =>
        [
            (MySqlServers.Setting, mysql.InPlaceOf(database)),
            (RedisServers.Setting, $"127.0.0.1:{redis.Port}"),
            ("Holds__Seconds", "4"),
            ("Queue__SettleSeconds", "1"),
        ]);
        var shows = await Sale.OpenAsync(fleet, schedules: 5 + (int)time.TotalSeconds, maxActive: Customers - 4);
        var journal = new Journal();
        using var stop = new CancellationTokenSource();
        var customers = Enumerable.Range(1, Customers)
            .Select(number => new Customer(fleet, shows, journal, (seed * 1000) + number).RunAsync(stop.Token)).ToArray();

        var faults = new FaultLoop(seed, fleet, Rig.Servers, mysql, redis, Report);
        await faults.RunAsync(time);
        await faults.RestoreAsync();

        // Peace: everybody is served again before the run is judged.
        var paid = journal.Count("pay", Outcome.Ok);
        await Eventually.TrueAsync(() => journal.Count("pay", Outcome.Ok) > paid + 20);
        await stop.CancelAsync();
        await Task.WhenAll(customers);
        Report($"{faults.Count} faults; {journal.Tally()}");
        if (journal.Surprises.Count > 0)
        {
            Report(fleet.Logs());
        }

        await fleet.SettleAsync(journal);
    }

    internal static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    /// <summary>At once, also when the run is ended from outside.</summary>
    private static void Report(string line)
    {
        TestContext.Current?.Output.WriteLine(line);
        Console.Error.WriteLine($"chaos: {line}");
    }
}
