using System.Globalization;
using System.Text.RegularExpressions;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using k8s;
using k8s.Models;

namespace ConcertBooking.Tests.Deploy;

/// <summary>deploy/k8s against the program: a setting that nobody reads, or one too few, would show only in the cluster.</summary>
public sealed partial class ManifestTests : SharedRigTests
{
    private const string Base = "deploy/k8s/base";

    [Test]
    public async Task Settings_EveryOne_IsReadByTheService()
    {
        var read = string.Concat(Repository.SourceFiles("src/ConcertBooking").Select(File.ReadAllText));
        var known = SettingReads().Matches(read)
            .Select(static match => match.Groups["key"].Value.Replace(":", "__", StringComparison.Ordinal)).ToHashSet();
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
        var settings = Rig.Settings.ToDictionary(
            static setting => setting.Key, setting => named.Contains(setting.Key) ? setting.Value : null);
        settings["Roles"] = Roles().Match(manifest).Groups["role"].Value;

        await using var instance = await Rig.StartAsync(settings);

        await Assert.That((await instance.Api.GetAsync("/v1/concerts")).Status).IsEqualTo(catalogue);
        foreach (var probe in Probes().Matches(manifest).Select(static match => match.Groups["path"].Value))
        {
            await Assert.That((await instance.Management.GetAsync(probe)).Status).IsEqualTo(200);
        }

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
            ["runAsNonRoot: true", "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false", "drop: [ALL]", "type: RuntimeDefault",
                "automountServiceAccountToken: false"])
        {
            await Assert.That(manifest).Contains(line);
        }
    }

    /// <summary>
    /// Who routes to a pod learns seconds late that it goes, so it serves on for as long; all of it ends before the kubelet
    /// kills. The image has no shell that a command could run in.
    /// </summary>
    [Test]
    [Arguments("api", 10)]
    [Arguments("worker", 0)]
    public async Task Pods_ThatGo_ServeUntilThatIsKnownAndEndBeforeTheyAreKilled(string component, int slowest)
    {
        const int Finish = 7;
        var manifest = await File.ReadAllTextAsync(Repository.PathOf($"{Base}/{component}.yaml"));
        var kustomization = await File.ReadAllTextAsync(Repository.PathOf($"{Base}/kustomization.yaml"));

        var grace = Number(Graces().Match(manifest));
        // What the Deployment says itself comes before the ConfigMap.
        var drain = Number(OwnDrains().Match(manifest) is { Success: true } own ? own : Drains().Match(kustomization));

        await Assert.That(drain).IsGreaterThanOrEqualTo(slowest);
        await Assert.That(grace).IsGreaterThan(drain + Finish);
        await Assert.That(manifest).DoesNotContain("exec:");
    }

    /// <summary>All pods have the same MySQL: when it stalls for seconds, a Service that loses them all answers nobody.</summary>
    [Test]
    [Arguments("api")]
    [Arguments("worker")]
    public async Task Readiness_MySqlStallsForSeconds_KeepsThePods(string component)
    {
        var probe = Readiness().Match(await File.ReadAllTextAsync(Repository.PathOf($"{Base}/{component}.yaml")));

        await Assert.That(Number(probe) * int.Parse(probe.Groups["failures"].Value, CultureInfo.InvariantCulture))
            .IsGreaterThanOrEqualTo(30);
        await Assert.That(Number(probe)).IsLessThanOrEqualTo(2); // one that comes is soon taken
    }

    /// <summary>A misspelt or misplaced field is dropped by the cluster without a word.</summary>
    [Test]
    public async Task Manifests_EveryField_IsKubernetes()
    {
        var kinds = new HashSet<string>();
        foreach (var file in Manifests())
        {
            var text = await File.ReadAllTextAsync(file);
            if (text.Contains("monitoring.coreos.com", StringComparison.Ordinal))
            {
                continue;
            }

            foreach (var item in KubernetesYaml.LoadAllFromString(text, typeMap: null, strict: true))
            {
                kinds.Add(((IKubernetesObject)item).Kind);
            }
        }

        await Assert.That(kinds).IsEquivalentTo(
            ["Namespace", "Job", "Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy", "Ingress"]);
        await Assert.That(
            () => KubernetesYaml.LoadAllFromString(
                "apiVersion: v1\nkind: Service\nspec: { port: 80 }", typeMap: null, strict: true)).ThrowsException();
    }

    /// <summary>What a selector, a probe, a backend or a reference names is there.</summary>
    [Test]
    public async Task Manifests_WhatTheyName_IsThere()
    {
        var items = new List<object>();
        foreach (var file in Manifests().Where(static file => !file.Contains("pod-monitor", StringComparison.Ordinal)))
        {
            items.AddRange(KubernetesYaml.LoadAllFromString(await File.ReadAllTextAsync(file), typeMap: null, strict: true));
        }

        var deployments = items.OfType<V1Deployment>().ToList();
        var labels = deployments.Select(static one => one.Spec.Template.Metadata.Labels["app.kubernetes.io/component"]).ToList();

        await Assert.That(labels).IsEquivalentTo(["api", "worker"]);
        foreach (var deployment in deployments)
        {
            var pod = deployment.Spec.Template;
            var container = pod.Spec.Containers.Single();
            await Assert.That(deployment.Spec.Selector.MatchLabels).IsEquivalentTo(pod.Metadata.Labels);
            foreach (var spread in pod.Spec.TopologySpreadConstraints)
            {
                await Assert.That(spread.LabelSelector.MatchLabels).IsEquivalentTo(pod.Metadata.Labels);
            }

            await Assert.That(pod.Spec.TopologySpreadConstraints.Select(static one => one.TopologyKey))
                .IsEquivalentTo(["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
            foreach (var probe in (V1Probe[])[container.StartupProbe, container.LivenessProbe, container.ReadinessProbe])
            {
                await Assert.That(container.Ports.Select(static port => port.Name)).Contains(probe.HttpGet.Port.Value);
            }

            await Assert.That(
                items.OfType<V1PodDisruptionBudget>()
                    .Count(budget => pod.Metadata.Labels.SequenceEqual(budget.Spec.Selector.MatchLabels))).IsEqualTo(1);
        }
        var scaled = items.OfType<V2HorizontalPodAutoscaler>().Single().Spec;
        await Assert.That(deployments.Select(static one => one.Metadata.Name)).Contains(scaled.ScaleTargetRef.Name);
        // One that lacks a metric never scales down.
        await Assert.That(scaled.Metrics.Select(static metric => metric.Type)).IsEquivalentTo(["Resource"]);
        var service = items.OfType<V1Service>().Single(static one => one.Metadata.Name == "concert-booking");
        var backend = items.OfType<V1Ingress>().Single().Spec.Rules.Single().Http.Paths.Single().Backend.Service;
        await Assert.That((backend.Name, service.Spec.Ports.Any(port => port.Name == backend.Port.Name)))
            .IsEqualTo((service.Metadata.Name, true));
        await Assert.That(deployments.Single(
            one => one.Metadata.Name.EndsWith(service.Spec.Selector["app.kubernetes.io/component"], StringComparison.Ordinal))
            .Spec.Template.Spec.Containers.Single().Ports.Select(static port => port.Name))
            .Contains(service.Spec.Ports.Single().TargetPort.Value);
    }

    /// <summary>A Job cannot be changed: one name for two images is an error at the second release.</summary>
    [Test]
    public async Task Migration_EachTag_IsAJobOfItsOwn()
    {
        if (Programs.Find("kubectl") is not { } kubectl)
        {
            return; // .ci/run says that nothing was put together
        }

        foreach (var size in (string[])["small", "medium"])
        {
            var (exitCode, log) = await Programs.RunAsync(kubectl, ["kustomize", Repository.PathOf($"deploy/k8s/{size}")]);
            await Assert.That(exitCode).IsEqualTo(0).Because(log.Text(isError: true));
            var items = KubernetesYaml.LoadAllFromString(log.Text(isError: false), typeMap: null, strict: true);
            var job = items.OfType<V1Job>().Single();
            var image = job.Spec.Template.Spec.Containers.Single().Image;

            await Assert.That(image).Matches("^ghcr\\.io/[a-z0-9-]+/concert-booking:[^:@]+$");
            await Assert.That(job.Metadata.Name).IsEqualTo($"concert-booking-migrate-{image.Split(':')[1]}");
            await Assert.That(
                items.OfType<V1Deployment>().Select(static one => one.Spec.Template.Spec.Containers.Single().Image)
                    .Distinct()).IsEquivalentTo([image]);
        }
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

    private static IEnumerable<string> Manifests() =>
        Directory.GetFiles(Repository.PathOf("deploy/k8s"), "*.yaml", SearchOption.AllDirectories)
        .Where(static file => Path.GetFileName(file) != "kustomization.yaml");

    private static int Number(Match match) => int.Parse(match.Groups["seconds"].Value, CultureInfo.InvariantCulture);

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

    [GeneratedRegex(@"name: Drain__Seconds, value: ""(?<seconds>\d+)""")]
    private static partial Regex OwnDrains();

    [GeneratedRegex(
        @"readinessProbe:\s+httpGet: .*\s+periodSeconds: (?<seconds>\d+)\s+timeoutSeconds: \d+\s+failureThreshold: (?<failures>\d+)")]
    private static partial Regex Readiness();

    [GeneratedRegex(@"(?m)^ *- Drain__Seconds=(?<seconds>\d+)$")]
    private static partial Regex Drains();

    [GeneratedRegex("httpGet: { path: (?<path>[^,]+), port: management }")]
    private static partial Regex Probes();

    [GeneratedRegex(
        "kind: Secret$|(Key|MySql|Redis|WebhookUrl)=|(SigningKey|ConnectionStrings__(MySql|Redis)), value:|stringData|Password=")]
    private static partial Regex Secrets();
}
