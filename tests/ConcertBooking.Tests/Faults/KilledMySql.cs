using ConcertBooking.Servers;
using ConcertBooking.Tests.Chaos;
using ConcertBooking.Tests.Support;
using ConcertBooking.Tests.Telemetry;

namespace ConcertBooking.Tests.Faults;

/// <summary>A MySQL that has written a transaction to the disk before it answers, in the redo log and in the binary log.</summary>
public sealed class DurableRig() : Rig(new ServerOptions
{
    AllowNamed = false,
    MySqlArguments = ["--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--log-bin=binlog", "--server-id=1"],
});

/// <summary>
/// kill -9 of a MySQL with durable settings, again and again under load: nothing that a caller was answered is lost. The seed decides
/// the moments of the kills and the customers' decisions.
/// <code>MYSQL_KILLS=50 MYSQL_KILLS_SEED=7 dotnet test --treenode-filter "/*/*/KilledMySql/*[Category=Long]"</code>
/// </summary>
[NotInParallel(nameof(BreakableRig))]
public sealed class KilledMySql
{
    private const int Customers = 24;

    /// <summary>Answers between two kills at least, so that each comes in the midst of a crowd.</summary>
    private const int Successes = 40;

    private static readonly string[] Calls = ["hold", "pay", "charge", "release"];

    [ClassDataSource<DurableRig>(Shared = SharedType.PerClass)]
    public required DurableRig Rig { get; init; }

    [Test, Category("Long"), Explicit]
    public async Task Kill_UnderLoad_LosesNothingThatWasAnswered()
    {
        var kills = ChaosRun.Setting("MYSQL_KILLS", 4);
        var seed = ChaosRun.Setting("MYSQL_KILLS_SEED", Random.Shared.Next(1_000_000));
        TestContext.Current!.Output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var fleet = await Fleet.StartAsync(Rig, 1, ("Holds__Seconds", "5"));
        await Assert.That(await fleet.Database.ScalarAsync<string>(
            "SELECT CONCAT_WS(',', @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@log_bin IN (1, 'ON'))")).IsEqualTo("1,1,1");
        var shows = await Sale.OpenAsync(fleet, schedules: 4 + (kills / 2), maxActive: Customers, seats: 1000);
        var journal = new Journal();
        using var stop = new CancellationTokenSource();
        var customers = Enumerable.Range(1, Customers)
            .Select(number => new Customer(fleet, shows, journal, (seed * 1000) + number).RunAsync(stop.Token)).ToArray();
        await ServedAsync();

        for (var kill = 0; kill < kills; kill++)
        {
            await Task.Delay(random.Next(1000)); // the moment of the kill, which no condition knows
            await Rig.Servers.MySql.KillAsync();
            await Rig.Servers.MySql.StartAsync();
            await ServedAsync();
        }

        await stop.CancelAsync();
        await Task.WhenAll(customers);
        var shared = await Task.WhenAll(Calls.Select(SharedAsync));
        TestContext.Current.Output.WriteLine(
            $"{kills} kills; {journal.Tally()}; shared: {string.Join(", ", Calls.Zip(shared, (call, count) => $"{count} × {call}"))}");
        await fleet.SettleAsync(journal);
        await Assert.That(shared.Sum()).IsGreaterThan(0);
        await Assert.That(Calls.Where(call => journal.Count(call, Outcome.Ok) == 0)).IsEmpty();

        // By the same instance, which nobody restarts.
        Task ServedAsync()
        {
            var enough = Answered() + Successes;
            return Eventually.TrueAsync(() => Answered() >= enough);
        }

        int Answered() => journal.Attempts.Count(static attempt => attempt.Outcome is Outcome.Ok);

        async Task<double> SharedAsync(string call) => (await MetricsTests.ScrapeAsync(fleet.Members[0].Instance))
            .Value("booking_transactions_total", $"call=\"{call}\"", "how=\"shared\"");
    }
}
