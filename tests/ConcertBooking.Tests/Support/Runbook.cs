using System.Text.RegularExpressions;

namespace ConcertBooking.Tests.Support;

/// <summary>A fenced block of the runbook.</summary>
/// <param name="Section">The heading above it.</param>
/// <param name="Number">Counted from 1 within the section.</param>
/// <param name="Language"><c>sh</c> or <c>sql</c>, as the fence says.</param>
/// <param name="Text">What is to be run.</param>
internal sealed record RunbookBlock(string Section, int Number, string Language, string Text);

/// <summary>deploy/runbook.md as its readers find it: headings, and the commands below each.</summary>
internal static partial class Runbook
{
    private const string Fence = "```";

    private static readonly Lazy<(List<string> Headings, List<RunbookBlock> Blocks)> Content =
        new(() => Read(File.ReadAllLines(Repository.PathOf("deploy/runbook.md"))));

    public static IReadOnlyList<RunbookBlock> Blocks => Content.Value.Blocks;

    /// <summary>Where a link may lead: a heading as GitHub makes an anchor of it.</summary>
    public static IEnumerable<string> Anchors => Content.Value.Headings.Select(static heading =>
        string.Concat(
            heading.ToLowerInvariant().Replace(' ', '-').Where(static letter => char.IsLetterOrDigit(letter) || letter is '-' or '_')));

    /// <summary>Each section, by its heading, with the labels that its paragraphs begin with, in order.</summary>
    public static IEnumerable<(string Heading, List<string> Labels)> Sections =>
        from text in File.ReadAllText(Repository.PathOf("deploy/runbook.md")).Split("\n## ").Skip(1)
        select (text.Split('\n')[0], Label().Matches(text).Select(static label => label.Groups["label"].Value).ToList());

    public static RunbookBlock Find(string section, int number) =>
        Blocks.SingleOrDefault(block => block.Section == section && block.Number == number)
        ?? throw new InvalidOperationException($"The section '{section}' of the runbook has no block {number}.");

    private static (List<string>, List<RunbookBlock>) Read(string[] lines)
    {
        var headings = new List<string>();
        var blocks = new List<RunbookBlock>();
        for (var index = 0; index < lines.Length; index++)
        {
            var line = lines[index].TrimStart();
            if (line.StartsWith('#'))
            {
                headings.Add(line.TrimStart('#', ' '));
            }

            if (!line.StartsWith(Fence, StringComparison.Ordinal))
            {
                continue;
            }

            var end = Array.FindIndex(lines, index + 1, static next => next.Trim() == Fence);
            if (end < 0)
            {
                throw new InvalidOperationException($"Line {index + 1} of the runbook opens a block that nothing closes.");
            }

            var section = headings[^1];
            blocks.Add(new RunbookBlock(
                section, blocks.Count(block => block.Section == section) + 1, line[Fence.Length..],
                string.Join('\n', lines[(index + 1)..end])));
            index = end;
        }
        return (headings, blocks);
    }

    [GeneratedRegex(@"(?m)^\*\*(?<label>[A-Z][^*.]*)\.?\*\*")]
    private static partial Regex Label();
}
