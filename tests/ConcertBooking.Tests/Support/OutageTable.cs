using System.Globalization;
using System.Text.RegularExpressions;

namespace ConcertBooking.Tests.Support;

/// <summary>A row of the table "States and signals" of deploy/runbook.md.</summary>
/// <param name="State">What is broken; the name by which tests refer to the row.</param>
/// <param name="Status">What <c>readyz</c> answers: <c>ready</c>, <c>degraded</c> or <c>unready</c>.</param>
/// <param name="Down">The checks of <c>readyz</c> that say <c>down</c>; all others say <c>up</c>.</param>
/// <param name="Metric">Name, labels in braces (those that matter), a comparison (<c>==</c>, <c>&gt;</c>, <c>&lt;</c>)
/// and a number.</param>
/// <param name="Alert">A rule of deploy/prometheus/alerts.yml that reads this metric.</param>
/// <param name="Anchor">The section of the runbook that says what to do.</param>
internal sealed record OutageRow(string State, string Status, IReadOnlyList<string> Down, string Metric, string Alert, string Anchor);

/// <summary>
/// The table "States and signals" of the runbook, held against a service in that state. A test of a fault brings the
/// state about and then awaits <see cref="ExpectAsync"/> with the first cell of its row:
/// <code>await OutageTable.ExpectAsync("Redis gone", member.Instance);</code>
/// A row reads: | state | `degraded`: redis | `booking_dependency_up{dependency="redis"} == 0` | RedisGone | [Redis lost](#redis-lost) |
/// </summary>
internal static partial class OutageTable
{
    private static readonly Lazy<List<OutageRow>> Read = new(static () => [.. Row().Matches(
        File.ReadAllText(Repository.PathOf("deploy/runbook.md")))
        .Select(static row => new OutageRow(
            row.Groups["state"].Value,
            row.Groups["status"].Value,
            row.Groups["down"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            row.Groups["metric"].Value,
            row.Groups["alert"].Value,
            row.Groups["anchor"].Value))]);

    public static IReadOnlyList<OutageRow> Rows => Read.Value;

    /// <summary>
    /// Awaits what the row says of <c>readyz</c> and of its metric, both as the instance answers them on its
    /// management port.
    /// </summary>
    public static async Task ExpectAsync(string state, Instance instance)
    {
        var row = Rows.SingleOrDefault(row => row.State == state)
            ?? throw new InvalidOperationException($"The runbook's table has no state '{state}'.");
        await Eventually.GetAsync(
            () => instance.Management.GetAsync("/readyz"), reply => AgreesWith(row, reply),
            what: $"readyz of '{state}': {row.Status} {string.Join(',', row.Down)}");
        await Eventually.GetAsync(
            async () => (await instance.Management.GetAsync("/metrics")).Text, text => AgreesWith(row.Metric, text),
            what: $"metric of '{state}': {row.Metric}");
    }

    private static bool AgreesWith(OutageRow row, Reply ready) =>
        ready.Value("status") == row.Status
        && ready.Json.GetProperty("checks").EnumerateObject()
            .All(check => check.Value.GetString() == (row.Down.Contains(check.Name) ? "down" : "up"));

    /// <summary>Whether some series of that name and with those labels has such a value.</summary>
    private static bool AgreesWith(string metric, string exposition)
    {
        var wanted = MetricCell().Match(metric);
        if (!wanted.Success)
        {
            throw new FormatException($"Not a metric with a comparison: {metric}");
        }

        var labels = Label().Matches(wanted.Groups["labels"].Value).Select(static label => label.Value).ToList();
        var limit = double.Parse(wanted.Groups["value"].Value, CultureInfo.InvariantCulture);
        return Series().Matches(exposition).Where(series => series.Groups["name"].Value == wanted.Groups["name"].Value)
            .Where(series => labels.All(label => series.Groups["labels"].Value.Contains(label, StringComparison.Ordinal)))
            .Select(static series => double.Parse(series.Groups["value"].Value, CultureInfo.InvariantCulture))
            .Any(value => wanted.Groups["comparison"].Value switch
            {
                "==" => value == limit,
                ">" => value > limit,
                _ => value < limit,
            });
    }

    [GeneratedRegex(
        @"(?m)^\| (?<state>[^|]+?) \| `(?<status>ready|degraded|unready)`(: (?<down>[^|]+?))? \| "
        + @"`(?<metric>[^|]+?)` \| (?<alert>\w+) \| [^|]*\(#(?<anchor>\S+?)\)[^|]*\|$")]
    private static partial Regex Row();

    [GeneratedRegex(@"^(?<name>\w+)(\{(?<labels>[^}]*)\})? (?<comparison>==|>|<) (?<value>[\d.]+)$")]
    private static partial Regex MetricCell();

    [GeneratedRegex(@"(?m)^(?<name>\w+)(\{(?<labels>[^}]*)\})? (?<value>[\d.eE+-]+)( \d+)?$")]
    private static partial Regex Series();

    [GeneratedRegex(@"\w+=""[^""]*""")]
    private static partial Regex Label();
}
