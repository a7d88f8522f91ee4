using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.MySql;

/// <summary>
/// A statement without a limit shows only while a server is silent, and then as a connection that never comes back.
/// Dapper.AOT turns a limit that is left out into none, so every call of it states one.
/// </summary>
public sealed partial class SqlLimitTests
{
    [Test]
    public async Task EveryCallOfDapper_StatesItsTimeLimit()
    {
        var calls = 0;
        foreach (var file in Repository.SourceFiles("src/ConcertBooking"))
        {
            foreach (Match call in Call().Matches(await File.ReadAllTextAsync(file)))
            {
                calls++;
                if (!call.Value.Contains("MySqlLimits.", StringComparison.Ordinal))
                {
                    Assert.Fail($"{Path.GetFileName(file)} leaves it out: {call.Value}");
                }
            }
        }

        await Assert.That(calls).IsGreaterThan(15);
    }

    /// <summary>With its arguments, whose parentheses may be nested.</summary>
    [GeneratedRegex(@"connection\.(Query|Execute)\w*(<\w+>)?\((?>[^()]+|(?<open>\()|(?<-open>\)))*(?(open)(?!))\)")]
    private static partial Regex Call();
}
