using System.Text.RegularExpressions;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Deploy;

/// <summary>compose.yaml and its scripts, as far as they can be held against each other without an engine.</summary>
public sealed partial class ComposeTests
{
    /// <summary>MySQL keeps the password that its volume was made with, so another one in <c>.env</c> would lock the service out.</summary>
    [Test]
    public async Task Secrets_MadeTwice_StayAsTheyWere()
    {
        var folder = Directory.CreateTempSubdirectory("concert-booking-compose-");
        try
        {
            var script = Path.Combine(folder.CreateSubdirectory("deploy").FullName, "secrets.sh");
            File.Copy(Repository.PathOf("deploy/secrets.sh"), script);
            var file = Path.Combine(folder.FullName, ".env");

            await Assert.That((await Programs.RunAsync("bash", [script])).ExitCode).IsEqualTo(0);
            var first = await File.ReadAllTextAsync(file);
            await Assert.That((await Programs.RunAsync("bash", [script])).ExitCode).IsEqualTo(0);

            await Assert.That(await File.ReadAllTextAsync(file)).IsEqualTo(first);
            await Assert.That(Required().Matches(await ComposeAsync()).Select(static match => match.Groups["name"].Value).Distinct())
                .IsEquivalentTo(first.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split('=')[0]));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Test]
    public async Task Secrets_TheirFile_IsNotForGit() =>
        await Assert.That(await File.ReadAllLinesAsync(Repository.PathOf(".gitignore"))).Contains(".env");

    /// <summary>
    /// If the instances did not know nginx, all visitors would share one limit; if they knew a network, others in it
    /// could lie.
    /// </summary>
    [Test]
    public async Task Proxy_ThatInstancesBelieve_IsNginxAlone()
    {
        var compose = await ComposeAsync();
        var nginx = EdgeAddress().Match(Service(compose, "nginx")).Groups["address"].Value;

        await Assert.That(nginx).IsNotEmpty();
        await Assert.That(compose).Contains($"ForwardedHeaders__KnownProxies: {nginx}\n");
    }

    /// <summary>nginx looks a name up when it starts, so an instance that comes back elsewhere would not be found.</summary>
    [Test]
    public async Task Instances_BehindNginx_HaveFixedAddresses()
    {
        var compose = await ComposeAsync();
        var nginx = await File.ReadAllTextAsync(Repository.PathOf("deploy/nginx.conf"));
        var behind = Upstreams().Matches(nginx).Select(static match => match.Groups["name"].Value).ToList();

        await Assert.That(behind.Count).IsEqualTo(2);
        await Assert.That(
            behind.Select(name => EdgeAddress().Match(Service(compose, name)).Groups["address"].Value).Append("").Distinct()
                .Count()).IsEqualTo(3);
        await Assert.That(await File.ReadAllTextAsync(Repository.PathOf("deploy/roll.sh"))).Contains($"'{string.Join('|', behind)}|");
    }

    [Test]
    public async Task ManagementPorts_OnTheHost_AreForThisMachineAlone()
    {
        var published = PublishedPorts().Matches(await ComposeAsync()).Select(static match => match.Groups["port"].Value)
            .Where(static port => port.EndsWith(":8081", StringComparison.Ordinal)).ToList();

        await Assert.That(published.Count).IsEqualTo(4);
        await Assert.That(published.Where(static port => !port.StartsWith("127.0.0.1:", StringComparison.Ordinal))).IsEmpty();
    }

    [Test]
    public async Task Settings_OfARotationAndTheWebhook_ReachTheService()
    {
        var compose = await ComposeAsync();
        foreach (var setting in (string[])["Auth__PreviousSigningKey", "QueueToken__PreviousSigningKey", "Notifications__WebhookUrl",
            "Notifications__SigningKey"])
        {
            await Assert.That(compose).Matches($@"(?m)^  {setting}: \$\{{[A-Z_]+:-\}}");
        }
    }

    private static Task<string> ComposeAsync() => File.ReadAllTextAsync(Repository.PathOf("compose.yaml"));

    private static string Service(string compose, string name) =>
        Regex.Match(compose, $@"(?ms)^  {Regex.Escape(name)}:\n(.*?)(?=^  \S|^\S|\z)").Value;

    [GeneratedRegex(@"\$\{(?<name>[A-Z_]+):\?")]
    private static partial Regex Required();

    [GeneratedRegex("""edge: \{ ipv4_address: "(?<address>[^"]+)" \}""")]
    private static partial Regex EdgeAddress();

    [GeneratedRegex(@"(?m)^\s*server (?<name>[\w-]+):8080")]
    private static partial Regex Upstreams();

    [GeneratedRegex("\"(?<port>[\\d.:]+:\\d+)\"")]
    private static partial Regex PublishedPorts();
}
