using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Deploy;

/// <summary>
/// The runbook's table "States and signals" as a whole; each row is held against a service by the test that makes its
/// state.
/// </summary>
public sealed partial class OutageTableTests
{
    [Test]
    public async Task Rows_EveryOne_IsMadeByATest()
    {
        var made = Directory.EnumerateFiles(Repository.PathOf("tests"), "*.cs", SearchOption.AllDirectories)
            .Where(static file => !file.EndsWith("OutageTable.cs", StringComparison.Ordinal))
            .SelectMany(static file => Expectation().Matches(File.ReadAllText(file)))
            .Select(static call => call.Groups["state"].Value).Distinct();

        await Assert.That(OutageTable.Rows.Select(static row => row.State)).IsEquivalentTo(made);
        await Assert.That(OutageTable.Rows.Count)
            .IsEqualTo(TableLine().Count(await File.ReadAllTextAsync(Repository.PathOf("deploy/runbook.md"))));
    }

    [Test]
    public async Task Rows_EveryOne_HasAnAlertThatReadsItsMetricAndASectionThatExists()
    {
        var alerts = Alert().Matches(await File.ReadAllTextAsync(Repository.PathOf("deploy/prometheus/alerts.yml")))
            .ToDictionary(static alert => alert.Groups["name"].Value, static alert => alert.Groups["rule"].Value);
        foreach (var row in OutageTable.Rows)
        {
            await Assert.That(alerts).ContainsKey(row.Alert);
            await Assert.That(alerts[row.Alert]).Contains(row.Metric[..row.Metric.IndexOfAny([' ', '{'])]);
            await Assert.That(Runbook.Anchors).Contains(row.Anchor);
        }
    }

    [GeneratedRegex(@"OutageTable\.ExpectAsync\(\s*""(?<state>[^""]+)""")]
    private static partial Regex Expectation();

    /// <summary>Lines of the table but its head: a row that the parser does not understand is noticed.</summary>
    [GeneratedRegex(@"(?m)^\| [^|]+ \| `[^|]+ \| [^|]+ \| [^|]+ \| [^|]+ \|$")]
    private static partial Regex TableLine();

    [GeneratedRegex(@"(?ms)^\s*- alert: (?<name>\w+)\n(?<rule>.*?)(?=^\s*- alert:|\z)")]
    private static partial Regex Alert();
}
