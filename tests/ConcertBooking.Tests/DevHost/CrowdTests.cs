using System.Globalization;
using System.Text.RegularExpressions;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.DevHost;

/// <summary>The DevHost's simulated buyers, as a process that joins a service with the demo's concerts.</summary>
public sealed partial class CrowdTests : SharedRigTests
{
    private const string Queue = "main";
    private const int Places = 50;

    private readonly Dictionary<string, string?> _settings = new()
    {
        ["ASPNETCORE_ENVIRONMENT"] = "Development",
        // The queue "main" is everybody's, and verify looks at it too.
        ["Redis__KeyPrefix"] = $"crowd-{Guid.NewGuid():N}:",
        ["Queue__MaxActive"] = $"{Places}",
    };

    [Test]
    public async Task Crowd_AtARunningService_WaitsInLineAndBuys()
    {
        var (service, database) = await StartAsync();
        await using var _ = service;

        var (exitCode, log) = await Programs.RunAsync(
            Programs.DotNet, Arguments("--crowd", "20", "--seconds", "20", "--at", Address(service)));

        var output = log.Text(isError: false);
        await Assert.That(exitCode).IsEqualTo(0).Because(output + log.Text(isError: true));
        await Assert.That(output).Contains("admits 2 at a time meanwhile");
        await Assert.That(NumberIn(output, WaitedPattern)).IsGreaterThan(0);
        var sold = NumberIn(output, SoldPattern);
        await Assert.That(sold).IsGreaterThan(0);
        await Assert.That(await database.ScalarAsync<long>("SELECT COUNT(*) FROM reservation WHERE status = 'CONFIRMED'")).IsEqualTo(sold);
        await ExpectAllGoneAsync(service);
        await Rig.VerifyAsync(_settings);
    }

    [Test]
    public async Task Crowd_SentAway_LeavesTheQueueAsItWas()
    {
        var (service, _) = await StartAsync();
        await using var started = service;
        await using var crowd = ChildProcess.Start(
            Programs.DotNet, Arguments("--crowd", "40", "--seconds", "600", "--at", Address(service)));
        await Eventually.TrueAsync(() => crowd.HasExited || InLinePattern.IsMatch(crowd.Log.Text(isError: false)));
        await Assert.That((await Catalogue(service).GetQueueAsync(Queue)).Number("maxActive")).IsEqualTo(4);

        crowd.Signal(Signals.Interrupt);
        await crowd.WaitForExitAsync().WaitAsync(Eventually.Patience);

        await Assert.That(crowd.ExitCode).IsEqualTo(0).Because(crowd.Log.Tail());
        await ExpectAllGoneAsync(service);
        await Rig.VerifyAsync(_settings);
    }

    [Test]
    public async Task Crowd_WhereNoServiceRuns_SaysHowToStartIt()
    {
        var (exitCode, log) = await Programs.RunAsync(
            Programs.DotNet, Arguments("--crowd", "5", "--at", $"http://127.0.0.1:{Ports.Take()}"));

        await Assert.That(exitCode).IsEqualTo(1);
        await Assert.That(log.Text(isError: false).Trim()).EndsWith(
            "start it in another terminal: dotnet run --project src/ConcertBooking.DevHost");
    }

    [Test]
    [Arguments("--crowd", "0")]
    [Arguments("--crowd", "many")]
    [Arguments("--crowd", "5", "--seconds", "5")]
    [Arguments("--crowd", "5", "--at", "nowhere")]
    [Arguments("--crowd", "5", "--demo")]
    public async Task Crowd_WithAWrongArgument_IsRefused(params string[] arguments)
    {
        var (exitCode, log) = await Programs.RunAsync(Programs.DotNet, Arguments(arguments));

        await Assert.That(exitCode).IsEqualTo(2);
        await Assert.That(log.Text(isError: true)).Contains("--crowd takes a number of buyers");
    }

    /// <summary>On a database with a tenth of the demo.</summary>
    private async Task<(Instance Service, Database Database)> StartAsync()
    {
        var database = await Rig.AddDatabaseAsync();
        _settings[MySqlServers.Setting] = database.ConnectionString;
        var seeded = await Rig.RunAsync(["seed", "--concerts", "1", "--schedules", "3", "--seats", "50"], _settings);
        await Assert.That(seeded.ExitCode).IsEqualTo(0).Because(seeded.Error);
        return (await Rig.StartAsync(_settings), database);
    }

    private async Task ExpectAllGoneAsync(Instance service)
    {
        var queue = await Catalogue(service).GetQueueAsync(Queue);
        await Assert.That(queue.Number("maxActive")).IsEqualTo(Places);
        await Assert.That(queue.Number("waiting") + queue.Number("active")).IsEqualTo(0);
    }

    private Catalogue Catalogue(Instance service) => new(Rig.NewAdmin(service.Api));

    private static string[] Arguments(params string[] arguments) =>
        ["exec", Path.Combine(AppContext.BaseDirectory, "ConcertBooking.DevHost.dll"), .. arguments];

    private static string Address(Instance service) => service.Process.Address.ToString();

    private static long NumberIn(string output, Regex pattern) => pattern.Match(output) is { Success: true } match
        ? long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
        : throw new InvalidOperationException($"No {pattern} in:\n{output}");

    [GeneratedRegex("(\\d+) waited in line")]
    private static partial Regex WaitedPattern { get; }

    [GeneratedRegex("(\\d+) seats sold to")]
    private static partial Regex SoldPattern { get; }

    [GeneratedRegex("in line +[1-9]")]
    private static partial Regex InLinePattern { get; }
}
