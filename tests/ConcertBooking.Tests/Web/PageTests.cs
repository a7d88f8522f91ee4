using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Web;

/// <summary>How the pages are served, and that their words are complete; what they do is tested in a browser.</summary>
public sealed partial class PageTests : SharedRigTests
{
    private const string Site = "src/ConcertBooking/Web/Site";

    [Test]
    [Arguments("/")]
    [Arguments("/console")]
    public async Task Page_MayRunAndLoadOnlyWhatTheServiceServes(string path)
    {
        var page = await Rig.A.Api.GetAsync(path);

        await Assert.That(page.Status).IsEqualTo(200);
        await Assert.That(page.ContentType).IsEqualTo("text/html");
        await Assert.That(page.Header("Content-Security-Policy")).IsEqualTo(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
            + "form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
        await Assert.That(page.Header("Cache-Control")).IsEqualTo("no-cache");
        var again = await Rig.A.Api.GetAsync(path, ("If-None-Match", page.Header("ETag")!));
        await Assert.That(again.Status).IsEqualTo(304);
        await Assert.That((await Rig.B.Api.GetAsync(path)).Header("ETag")).IsEqualTo(page.Header("ETag"));
    }

    [Test]
    [Arguments("/")]
    [Arguments("/console")]
    public async Task Asset_IsKeptForGoodUnderTheNameOfItsBuild(string path)
    {
        var page = (await Rig.A.Api.GetAsync(path)).Text;
        var assets = AssetAddress().Matches(page).Select(static match => match.Value).Distinct().ToList();
        await Assert.That(assets.Count).IsGreaterThan(4);
        foreach (var asset in assets)
        {
            var plain = await Rig.A.Api.GetAsync(asset);
            await Assert.That(plain.Status).IsEqualTo(200).Because(asset);
            await Assert.That(plain.Header("Cache-Control")).IsEqualTo("public, max-age=31536000, immutable");
            var packed = await Rig.A.Api.GetAsync(asset, ("Accept-Encoding", "gzip, br"));
            await Assert.That(packed.Header("Content-Encoding")).IsEqualTo("br");
            await Assert.That(packed.Body.Length).IsLessThan(plain.Body.Length);
        }

        var name = assets[0][(assets[0].LastIndexOf('/') + 1)..];
        var another = await Rig.A.Api.GetAsync($"/assets/0123456789abcdef/{name}"); // as an instance of another build is asked
        await Assert.That(another.Status).IsEqualTo(200);
        await Assert.That(another.Header("Cache-Control")).IsEqualTo("no-store");
        (await Rig.A.Api.GetAsync(assets[0] + ".map")).ExpectProblem(404, "not_found");
    }

    /// <summary>All of it: more than a first view loads.</summary>
    [Test]
    public async Task Site_Compressed_IsUnder150KB()
    {
        var folder = AssetAddress().Match((await Rig.A.Api.GetAsync("/")).Text).Value;
        folder = folder[..folder.LastIndexOf('/')];
        var bytes = 0;
        var names = Directory.GetFiles(Repository.PathOf(Site)).Select(Path.GetFileName);
        foreach (var file in names.Where(static name => Path.GetExtension(name) != ".html"))
        {
            var asset = await Rig.A.Api.GetAsync($"{folder}/{file}", ("Accept-Encoding", "br"));
            await Assert.That(asset.Status).IsEqualTo(200).Because(file!);
            bytes += asset.Body.Length;
        }

        Console.WriteLine($"{bytes} bytes");
        await Assert.That(bytes).IsLessThan(150_000);
    }

    [Test]
    public async Task Web_SwitchedOff_TheApiAloneAnswers()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?> { ["Web__Enabled"] = "false" });

        (await service.Api.GetAsync("/")).ExpectProblem(404, "not_found");
        (await service.Api.GetAsync("/console")).ExpectProblem(404, "not_found");
        (await service.Api.GetAsync(AssetAddress().Match((await Rig.A.Api.GetAsync("/")).Text).Value)).ExpectProblem(404, "not_found");
    }

    [Test]
    [Arguments("/")]
    [Arguments("/console")]
    public async Task Management_HasNoPage(string path) => (await Rig.A.Management.GetAsync(path)).ExpectProblem(404, "not_found");

    [Test]
    [Arguments("messages")]
    [Arguments("console")]
    public async Task Words_OfBothLanguages_AreForTheSameThings(string file) =>
        await Assert.That(await KeysAsync(file, "ko")).IsEquivalentTo(await KeysAsync(file, "en"));

    [Test]
    public async Task Words_OfTheProblems_AreThere()
    {
        var english = await KeysAsync("messages", "en");
        var codes = ProblemCode().Matches(await File.ReadAllTextAsync(Repository.PathOf("src/ConcertBooking/Http/Problems.cs")))
            .Select(static match => match.Groups[1].Value);
        await Assert.That(codes.Except(NotMet).Select(static code => $"problem.{code}").Except(english)).IsEmpty();
    }

    /// <summary>Every key that the modules ask for by its name is there.</summary>
    [Test]
    public async Task Words_AskedFor_AreThere()
    {
        var page = await KeysAsync("messages", "en");
        var console = page.Union(await KeysAsync("console", "en")).ToHashSet();
        foreach (var file in Directory.GetFiles(Repository.PathOf(Site), "*.js"))
        {
            var asked = Asked().Matches(await File.ReadAllTextAsync(file)).Select(static match => match.Groups[1].Value);
            // The panel to sign in offers the role on the console alone.
            var known = Path.GetFileName(file).StartsWith("console", StringComparison.Ordinal) ? console : page.Append("sign-in.admin");
            await Assert.That(asked.Except(known)).IsEmpty().Because(file);
        }
    }

    /// <summary>Answers to calls that the page does not make, and faults, for which it has one text.</summary>
    private static readonly string[] NotMet =
    [
        "idempotency_key_missing", "hall_not_found", "payment_not_found", "method_not_allowed", "request_timeout", "body_too_large",
        "unsupported_media_type", "internal_error", "rankings_unavailable", "too_many_streams",
    ];

    private static async Task<List<string>> KeysAsync(string file, string language) =>
        [.. Key().Matches(await File.ReadAllTextAsync(Repository.PathOf($"{Site}/{file}.{language}.js")))
            .Select(static match => match.Groups[1].Value)];

    [GeneratedRegex(@"/assets/[0-9a-f]{16}/[\w.-]+")]
    private static partial Regex AssetAddress();

    [GeneratedRegex(@"^  '?([\w.-]+)'?: ['{]", RegexOptions.Multiline)]
    private static partial Regex Key();

    [GeneratedRegex(@"\bt\('([\w.-]+)'")]
    private static partial Regex Asked();

    [GeneratedRegex(@"new\(\d{3}, ""(\w+)""")]
    private static partial Regex ProblemCode();
}
