using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Operations;

/// <summary>deploy/k8s against the program: a setting that nobody reads, or one too few, would show only in the cluster.</summary>
public sealed partial class ManifestTests : SharedRigTests
{
    private const string Base = "deploy/k8s/base";

    [Test]
    public async Task Settings_EveryOne_IsReadByTheService()
    {
        var read = string.Concat(Directory.GetFiles(Repository.PathOf("src/ConcertBooking/Infrastructure"), "*.cs").Select(File.ReadAllText));
        var known = SettingReads().Matches(read).Select(static match => match.Groups["key"].Value.Replace(":", "__", StringComparison.Ordinal)).ToHashSet();
        var named = Directory.GetFiles(Repository.PathOf("deploy/k8s"), "*.yaml", SearchOption.AllDirectories)
            .SelectMany(static file => SettingNames(File.ReadAllText(file))).ToHashSet();

        await Assert.That(known).Contains("Database__MaxPoolSize").And.Contains("ASPNETCORE_HTTP_PORTS");
        await Assert.That(named).Contains("Roles").And.Contains("Database__MaxPoolSize").And.Contains("Auth__PreviousSigningKey");
        await Assert.That(named.Except(known)).IsEmpty();
    }

    /// <summary>With nothing in its environment but what the Deployment gives it.</summary>
    [Test]
    [Arguments("api", 200)]
    [Arguments("worker", 404)]
    public async Task Deployment_ItsSettingsAlone_StartTheRole(string role, int catalogue)
    {
        var manifest = await File.ReadAllTextAsync(Repository.PathOf($"{Base}/{role}.yaml"));
        var named = SettingNames(manifest).ToHashSet();
        var settings = Rig.Settings.ToDictionary(static setting => setting.Key, setting => named.Contains(setting.Key) ? setting.Value : null);
        settings["Roles"] = Roles().Match(manifest).Groups["role"].Value;

        await using var instance = await Rig.StartAsync(settings);

        await Assert.That((await instance.Api.GetAsync("/v1/concerts")).Status).IsEqualTo(catalogue);
        foreach (var probe in Probes().Matches(manifest).Select(static match => match.Groups["path"].Value))
            await Assert.That((await instance.Management.GetAsync(probe)).Status).IsEqualTo(200);
        await Assert.That(Probes().Count(manifest)).IsEqualTo(3);
    }

    [Test]
    [Arguments("api")]
    [Arguments("worker")]
    [Arguments("migrate")]
    public async Task Pods_EveryOne_MayDoNothingItNeedNot(string component)
    {
        var manifest = await File.ReadAllTextAsync(Repository.PathOf($"{Base}/{component}.yaml"));

        foreach (var line in (string[])
            ["runAsNonRoot: true", "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false", "drop: [ALL]", "type: RuntimeDefault", "automountServiceAccountToken: false"])
        {
            await Assert.That(manifest).Contains(line);
        }
    }

    /// <summary>
    /// Who routes to a pod learns seconds late that it goes, so the pod waits before it is told to stop; all of it ends before the
    /// kubelet kills. The image has no shell that a command could run in.
    /// </summary>
    [Test]
    [Arguments("api", 5)]
    [Arguments("worker", 0)]
    public async Task Pods_ThatGo_WaitForTheirEndpointsAndEndBeforeTheyAreKilled(string component, int slowest)
    {
        const int Finish = 7;
        var manifest = await File.ReadAllTextAsync(Repository.PathOf($"{Base}/{component}.yaml"));
        var kustomization = await File.ReadAllTextAsync(Repository.PathOf($"{Base}/kustomization.yaml"));

        var grace = Number(Graces().Match(manifest));
        var sleep = PreStops().Match(manifest) is { Success: true } found ? Number(found) : 0;
        var drain = Number(Drains().Match(kustomization));

        await Assert.That(sleep).IsGreaterThanOrEqualTo(slowest);
        await Assert.That(grace).IsGreaterThan(sleep + drain + Finish);
        await Assert.That(manifest).DoesNotContain("exec:");

        static int Number(Match match) => int.Parse(match.Groups["seconds"].Value, System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>The NetworkPolicy and the Service for metrics choose pods by the name that the kustomization gives.</summary>
    [Test]
    public async Task Labels_TheSharedName_IsOnThePodsToo()
    {
        var network = await File.ReadAllTextAsync(Repository.PathOf($"{Base}/network.yaml"));
        var kustomization = await File.ReadAllTextAsync(Repository.PathOf($"{Base}/kustomization.yaml"));

        await Assert.That(network).Contains("matchLabels: { app.kubernetes.io/name: concert-booking }");
        await Assert.That(kustomization).Matches(@"pairs: \{ app\.kubernetes\.io/name: concert-booking \}\s+includeTemplates: true");
    }

    [Test]
    public async Task Secrets_Nowhere_HaveAValue()
    {
        foreach (var file in Directory.GetFiles(Repository.PathOf("deploy/k8s"), "*.yaml", SearchOption.AllDirectories))
        {
            var lines = (await File.ReadAllLinesAsync(file)).Where(static line => !line.TrimStart().StartsWith('#')).ToList();
            await Assert.That(lines.Where(static line => Secrets().IsMatch(line))).IsEmpty().Because(file);
        }
    }

    /// <summary>As an <c>env</c> entry, in either style of YAML, or as a literal of the ConfigMap; comments aside.</summary>
    private static IEnumerable<string> SettingNames(string manifest) =>
        Names().Matches(manifest).Select(static match => match.Groups["name"].Value);

    [GeneratedRegex("\"(?<key>[A-Z][A-Za-z]+:[A-Z][A-Za-z]+|[A-Z]+(_[A-Z]+)+|Roles)\"")]
    private static partial Regex SettingReads();

    [GeneratedRegex(@"(?m)^ *- (\{ )?name: (?<name>Roles|[A-Z]\w*_\w+)\b|^ *- (?<name>[A-Z]\w+)=")]
    private static partial Regex Names();

    [GeneratedRegex("name: Roles, value: (?<role>[a-z,]+)")]
    private static partial Regex Roles();

    [GeneratedRegex(@"terminationGracePeriodSeconds: (?<seconds>\d+)")]
    private static partial Regex Graces();

    [GeneratedRegex(@"preStop: \{ sleep: \{ seconds: (?<seconds>\d+) \} \}")]
    private static partial Regex PreStops();

    [GeneratedRegex(@"(?m)^ *- Drain__Seconds=(?<seconds>\d+)$")]
    private static partial Regex Drains();

    [GeneratedRegex("httpGet: { path: (?<path>[^,]+), port: management }")]
    private static partial Regex Probes();

    [GeneratedRegex("kind: Secret$|(Key|MySql|Redis|WebhookUrl)=|(SigningKey|ConnectionStrings__(MySql|Redis)), value:|stringData|Password=")]
    private static partial Regex Secrets();
}
