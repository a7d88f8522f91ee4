using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests;

/// <summary>How the source is laid out, where the compiler does not say it.</summary>
public sealed class HouseTests
{
    private const int MostLines = 250, MostColumns = 140;

    /// <summary>They serve every feature and know none of them.</summary>
    private static readonly string[] TechnicalFolders = ["Background", "Http", "Kafka", "MySql", "Redis", "Telemetry"];

    private static readonly string[] NoFeatures = [.. TechnicalFolders, "Commands", "Hosting"];

    [Test]
    public async Task TechnicalFolder_NamesNoFeature()
    {
        var folders = Directory.GetDirectories(Repository.PathOf("src/ConcertBooking")).Select(static folder => Path.GetFileName(folder)!)
            .Except(["bin", "obj"]).ToList();
        var features = folders.Except(NoFeatures).ToList();
        await Assert.That(features).Contains("Queue").And.Contains("Reservations");
        await Assert.That(TechnicalFolders.Except(folders)).IsEmpty();

        // A feature's namespace, in full or from ConcertBooking's own, and the list that knows them all.
        var feature = $"(?<feature>{string.Join('|', features)})";
        var names = new Regex($@"using ConcertBooking\.{feature}\b[\w.]*|(?<![\w.])({feature}\.[A-Z]\w*|Slices\.\w*)");
        foreach (var file in TechnicalFolders.SelectMany(static folder => Repository.SourceFiles($"src/ConcertBooking/{folder}")))
        {
            var found = names.Match(await File.ReadAllTextAsync(file));
            var folder = found.Groups["feature"].Value;
            await Assert.That(found.Success).IsFalse().Because(
                $"{file} has \"{found.Value}\", and a technical folder names no feature"
                + (folder.Length == 0 ? "" : $"; if this is something else, rename the folder src/ConcertBooking/{folder}"));
        }
    }

    [Test]
    public async Task SourceFile_IsShortEnoughToBeRead()
    {
        var tooLong = new List<string>();
        var src = Repository.SourceFiles("src").ToList();
        foreach (var file in src.Concat(Repository.SourceFiles("tests")))
        {
            var lines = await File.ReadAllLinesAsync(file);
            tooLong.AddRange(lines.Length > MostLines && src.Contains(file) ? [$"{file} has {lines.Length} lines"] : []);
            tooLong.AddRange(lines.Index().Where(static line => line.Item.Length > MostColumns).Select(line => $"{file}:{line.Index + 1}"));
        }

        await Assert.That(tooLong).IsEmpty();
    }
}
