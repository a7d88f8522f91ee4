using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Deploy;

/// <summary>The workflows of a hosted runner, which run only there.</summary>
public sealed partial class WorkflowTests
{
    /// <summary>A tag can be moved to other code; a commit cannot.</summary>
    [Test]
    public async Task Actions_EveryOne_IsPinnedToACommit()
    {
        var uses = new List<string>();
        foreach (var file in Directory.GetFiles(Repository.PathOf(".github/workflows"), "*.yml"))
        {
            uses.AddRange(
                Uses().Matches(await File.ReadAllTextAsync(file)).Select(static use => use.Groups["action"].Value.Trim())
                    .Where(static action => !action.StartsWith("./", StringComparison.Ordinal)));
        }

        await Assert.That(uses.Count).IsGreaterThanOrEqualTo(8);
        await Assert.That(uses.Where(static action => !Pinned().IsMatch(action))).IsEmpty();
        // One commit for each.
        await Assert.That(uses.Distinct().Select(static action => action.Split('@')[0])).HasDistinctItems();
    }

    [Test]
    public async Task Release_BeforeAnything_RunsWhatCiRuns()
    {
        var release = await File.ReadAllTextAsync(Repository.PathOf(".github/workflows/release.yml"));
        var ci = await File.ReadAllTextAsync(Repository.PathOf(".github/workflows/ci.yml"));

        await Assert.That(release).Contains("uses: ./.github/workflows/ci.yml").And.Contains("needs: test").And.Contains("needs: build");
        await Assert.That(ci).Contains("workflow_call").And.Contains(" .ci/run\n").And.DoesNotContain("CI_STEPS");
    }

    /// <summary>What the manifests pull is what the release pushes; the owner is whose repository it is.</summary>
    [Test]
    public async Task Image_OfTheManifests_IsNamedAsTheReleasePushesIt()
    {
        var release = await File.ReadAllTextAsync(Repository.PathOf(".github/workflows/release.yml"));
        var kustomization = await File.ReadAllTextAsync(Repository.PathOf("deploy/k8s/base/kustomization.yaml"));

        await Assert.That(release).Contains("IMAGE: ghcr.io/${{ github.repository_owner }}/concert-booking\n");
        await Assert.That(kustomization).Matches("newName: ghcr\\.io/[^/\n]+/concert-booking\n");
    }

    [GeneratedRegex(@"(?m)^\s*-? ?uses: (?<action>.+)$")]
    private static partial Regex Uses();

    [GeneratedRegex(@"^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")]
    private static partial Regex Pinned();
}
