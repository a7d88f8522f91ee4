using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Deploy;

/// <summary>The dashboards and alerts of <c>deploy/</c> against what the service really tells of itself.</summary>
public sealed partial class DashboardTests : SharedRigTests
{
    private const int Seats = 5_000, Crowd = 8;

    [Test]
    public async Task Dashboards_ArePortableAndHaveUnits()
    {
        var dashboards = await DashboardsAsync();

        await Assert.That(dashboards.Select(static dashboard => dashboard.Value("uid")).Distinct().Count()).IsEqualTo(4);
        foreach (var dashboard in dashboards)
        {
            await Assert.That(
                Items(dashboard.GetProperty("templating").GetProperty("list")).Select(static variable => variable.Value("type")))
                .IsEquivalentTo(["datasource"]);
            await Assert.That(Items(dashboard.GetProperty("panels")).Select(static panel => panel.Number("id"))).HasDistinctItems();
            foreach (var panel in Items(dashboard.GetProperty("panels")))
            {
                await Assert.That(panel.GetProperty("datasource").Value("uid")).IsEqualTo("${datasource}").Because(panel.Value("title"));
                await Assert.That(panel.GetProperty("fieldConfig").GetProperty("defaults").Value("unit"))
                    .IsNotEmpty().Because(panel.Value("title"));
            }
        }
    }

    /// <summary>A counter is there from its first event on: until then "no data" would look like a fault of the dashboard.</summary>
    [Test]
    public async Task Rates_BeforeTheFirstEvent_AreZero()
    {
        // The runtime's own are there from the start.
        var panels = (await DashboardsAsync()).Where(static dashboard => dashboard.Value("title") != "Container")
            .SelectMany(static dashboard => Items(dashboard.GetProperty("panels")))
            .Where(static panel => panel.GetProperty("fieldConfig").GetProperty("defaults").Value("unit") is "reqps" or "cps").ToList();

        await Assert.That(panels.Count).IsGreaterThanOrEqualTo(8);
        foreach (var panel in panels)
        {
            foreach (var target in Items(panel.GetProperty("targets")))
            {
                await Assert.That(WhenIdle().IsMatch(target.Value("expr"))).IsTrue().Because(panel.Value("title"));
            }
        }
    }

    /// <summary>A query for a metric or label that does not exist is no error, only an empty panel or an alert that never fires.</summary>
    [Test, Explicit, Category("Long")]
    public async Task Queries_OfEveryPanelAndAlert_HaveAnswersDuringASale()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        using var key = IssuerKey.Rsa("r1");
        await using var issuer = new Issuer(key);
        var withIssuer = await rig.Fleet.AddAsync(
            ("ASPNETCORE_ENVIRONMENT", "Development"), ("Auth__SigningKey", null), ("Auth__Authority", issuer.Address),
            ("Auth__Audience", "booking"));
        await using var prometheus = await PrometheusServers.StartAsync(
            [rig.Fleet.Members[0].Instance.Process.ManagementAddress, withIssuer.Instance.Process.ManagementAddress],
            Repository.PathOf("deploy/prometheus/alerts.yml"));
        var api = new Api(new Uri(prometheus.ConnectionString));
        Query[] queries = [.. (await DashboardsAsync()).SelectMany(Queries), .. await AlertQueriesAsync(api)];
        using var stop = new CancellationTokenSource();
        var sale = Task.Run(() => SellAsync(rig, stop.Token));

        var unanswered = queries;
        try
        {
            // The slowest are the recorded ratios, which are made twice a minute.
            await Eventually.GetAsync(
                async () =>
                {
                    if (sale.IsFaulted)
                    {
                        await sale;
                    }

                    return string.Join('\n', unanswered = await UnansweredAsync(api, unanswered));
                },
                static unanswered => unanswered.Length == 0, within: TimeSpan.FromMinutes(3), what: "every query has an answer");
        }
        finally
        {
            await stop.CancelAsync();
            await sale;
        }

        var scrape = (await AskAsync(api, "avg_over_time(scrape_duration_seconds[10m])")).Max();
        TestContext.Current!.Output.WriteLine(
            $"{queries.Length} queries have answers; a scrape takes {scrape * 1000:0.0} ms on average at most");
    }

    [Test]
    [Arguments("up == 0", "up")]
    [Arguments("a / ignoring(x) (b + c) > 0.8", "a / ignoring(x) (b + c)")]
    [Arguments("a{x!=\"or\"} > 14.4 * 0.001 and max(b > 1) > 2", "a{x!=\"or\"}|max(b > 1)")]
    public async Task Compared_OfAnAlert_IsWhatStandsLeft(string alert, string compared) =>
        await Assert.That(string.Join('|', Compared(alert))).IsEqualTo(compared);

    private sealed record Query(string Where, string Expression);

    private static async Task<List<JsonElement>> DashboardsAsync()
    {
        var dashboards = new List<JsonElement>();
        foreach (var path in Directory.EnumerateFiles(
            Repository.PathOf("deploy/grafana/dashboards"), "*.json").Order(StringComparer.Ordinal))
        {
            dashboards.Add(JsonElement.Parse(await File.ReadAllTextAsync(path)));
        }

        return dashboards;
    }

    private static IEnumerable<Query> Queries(JsonElement dashboard) =>
        from panel in Items(dashboard.GetProperty("panels"))
        from target in Items(panel.GetProperty("targets"))
        select new Query($"{dashboard.Value("title")} / {panel.Value("title")}", WhenIdle().Replace(target.Value("expr"), ""));

    /// <summary>As Prometheus has read them.</summary>
    private static async Task<IEnumerable<Query>> AlertQueriesAsync(Api prometheus)
    {
        var groups = (await prometheus.GetAsync("/api/v1/rules?type=alert")).Expect(200).Json.GetProperty("data").GetProperty("groups");
        return from rules in Items(groups)
               from alert in Items(rules.GetProperty("rules"))
               from expression in Compared(alert.Value("query"))
               select new Query($"alert {alert.Value("name")}", expression);
    }

    /// <summary>What an alert compares: of <c>a > 1 or b == 0</c> it is <c>a</c> and <c>b</c>.</summary>
    private static IEnumerable<string> Compared(string expression)
    {
        var outer = Outer(expression);
        var start = 0;
        foreach (var end in SetOperator().Matches(outer).Select(
            static found => (found.Index, Next: found.Index + found.Length)).Append((outer.Length, outer.Length)))
        {
            var comparison = Comparison().Match(outer, start, end.Item1 - start);
            yield return expression[start..(comparison.Success ? comparison.Index : end.Item1)].Trim();
            start = end.Item2;
        }
    }

    /// <summary>The same with dots for what is in brackets or quotes, where operators do not count.</summary>
    private static string Outer(string expression)
    {
        var outer = expression.ToCharArray();
        var (depth, quoted) = (0, false);
        for (var at = 0; at < outer.Length; at++)
        {
            quoted ^= outer[at] == '"';
            depth += quoted ? 0 : outer[at] switch { '(' or '{' or '[' => 1, ')' or '}' or ']' => -1, _ => 0 };
            outer[at] = quoted || depth > 0 ? '.' : outer[at];
        }
        return new string(outer);
    }

    private static async Task<Query[]> UnansweredAsync(Api prometheus, Query[] queries)
    {
        var unanswered = new List<Query>();
        foreach (var query in queries)
        {
            if (!(await AskAsync(prometheus, query.Expression)).Any(static value => !double.IsNaN(value)))
            {
                unanswered.Add(query);
            }
        }
        return [.. unanswered];
    }

    private static async Task<List<double>> AskAsync(Api prometheus, string expression)
    {
        var reply = await prometheus.GetAsync($"/api/v1/query?query={Uri.EscapeDataString(expression)}");
        return [.. Items(reply.Expect(200).Json.GetProperty("data").GetProperty("result"))
            .Select(static series => double.Parse(series.GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture))];
    }

    /// <summary>
    /// Sells seat after seat, each to one of two who want it, beside a queue with a line, somebody who watches and a crowd; and a user
    /// whose row is locked gets two answers that are our fault.
    /// </summary>
    private static async Task SellAsync(EventRig rig, CancellationToken stop)
    {
        var show = await rig.Fleet.Catalogue.AddShowAsync(Seats);
        var crowded = await rig.Fleet.Catalogue.AddShowAsync(maxActive: 2);
        for (var visitors = 0; visitors < 5; visitors++)
        {
            await rig.Fleet.NewVisitor().EnteredAsync(crowded.Queue);
        }

        var locked = await rig.Fleet.NewVisitorAsync(show, points: show.Price);
        var reservation = await locked.HeldAsync(show, Seats);
        await using (await rig.Database.LockBalanceAsync(locked.UserId))
        {
            foreach (var reply in await Task.WhenAll(locked.PayAsync(reservation), locked.HoldAsync(show, Seats - 1)))
            {
                reply.ExpectProblem(503, "database_unavailable");
            }
        }

        var late = await rig.Fleet.NewVisitorAsync(show);
        var other = await rig.Fleet.Catalogue.AddShowAsync();
        var crowd = new List<Visitor>();
        for (var buyers = 0; buyers < Crowd; buyers++)
        {
            crowd.Add(await rig.Fleet.NewVisitorAsync(other));
        }

        for (var seatNo = 1; seatNo < Seats - 1 && !stop.IsCancellationRequested; seatNo++)
        {
            (await rig.Fleet[0].GetAsync("/v1/concerts")).Expect(200);
            (await rig.Fleet[0].GetAsync($"/v1/concerts/{show.ConcertId}/schedules")).Expect(200);
            (await rig.Fleet[0].GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200);
            await rig.SellAsync(show, seats: 1, from: seatNo);
            (await late.HoldAsync(show, seatNo)).ExpectProblem(409, "seat_taken");
            await using (await SeatWatcher.OpenAsync(rig.Fleet[0], show))
            {
                await Task.WhenAll(crowd.Index().Select(buyer => HoldAndReleaseAsync(buyer.Item, other, 1 + buyer.Index)));
            }
        }
    }

    private static async Task HoldAndReleaseAsync(Visitor buyer, Show show, int seatNo) =>
        (await buyer.ReleaseBookingAsync(await buyer.HeldTogetherAsync(show, seatNo))).Expect(204);

    private static JsonElement.ArrayEnumerator Items(JsonElement array) => array.EnumerateArray();

    /// <summary>What takes the place of an answer that is not there; with it every query has one.</summary>
    [GeneratedRegex(@" or (vector\(0\)|on\(\) label_replace\(vector\(0\), .*\))$")]
    private static partial Regex WhenIdle();

    [GeneratedRegex(@"\b(and|or|unless)\b", RegexOptions.ExplicitCapture)]
    private static partial Regex SetOperator();

    [GeneratedRegex("[=!]=|[<>]=?")]
    private static partial Regex Comparison();
}
