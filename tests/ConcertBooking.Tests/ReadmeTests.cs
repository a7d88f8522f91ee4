using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests;

/// <summary>What the README shows. Its pictures are taken by <see cref="Browser.ReadmePictures"/>.</summary>
public sealed partial class ReadmeTests
{
    private const int MostBytes = 300_000;

    private static readonly byte[] PngSignature = [0x89, .. "PNG\r\n\x1a\n"u8];

    [Test]
    public async Task Picture_IsAPngOfAtMost300KB()
    {
        var readme = await File.ReadAllTextAsync(Repository.PathOf("README.md"));
        var pictures = Picture().Matches(readme)
            .Select(static match => (Words: match.Groups[1].Value, Path: match.Groups[2].Value)).ToList();

        await Assert.That(pictures).IsNotEmpty();
        foreach (var (words, path) in pictures)
        {
            await Assert.That(words).IsNotEmpty().Because($"{path} needs words for those who do not see it");
            var file = new FileInfo(Repository.PathOf(path));
            await Assert.That(file.Exists).IsTrue().Because($"README.md shows {path}");
            await Assert.That(file.Length).IsLessThanOrEqualTo(MostBytes).Because(path);
            var signature = (await File.ReadAllBytesAsync(file.FullName)).Take(PngSignature.Length);
            await Assert.That(signature.SequenceEqual(PngSignature)).IsTrue().Because($"{path} is a PNG");
        }

        var unused = Directory.EnumerateFiles(Repository.PathOf("docs/images"))
            .Select(static file => $"docs/images/{Path.GetFileName(file)}").Except(pictures.Select(static picture => picture.Path));
        await Assert.That(unused).IsEmpty();
    }

    [GeneratedRegex(@"!\[([^\]]*)\]\(([^)]+)\)")]
    private static partial Regex Picture();
}
