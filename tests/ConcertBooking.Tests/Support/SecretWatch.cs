using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace ConcertBooking.Tests.Support;

/// <summary>Reads every line that a service prints, for as long as the suite runs: no key, password or token may be in it.</summary>
internal sealed partial class SecretWatch
{
    private readonly ConcurrentQueue<string> _told = new();

    /// <summary>The reader of an instance with those settings.</summary>
    public Action<string> Watch(IReadOnlyDictionary<string, string?> settings)
    {
        var secrets = settings
            .Where(
                setting => (
                    setting.Key.EndsWith("SigningKey", StringComparison.Ordinal)
                        || setting.Key.EndsWith("Password", StringComparison.Ordinal)) && setting.Value?.Length >= 16)
            .Select(setting => setting.Value!)
            .ToArray();
        return line =>
        {
            if (Array.Exists(secrets, secret => line.Contains(secret, StringComparison.Ordinal)) || Token().IsMatch(line))
            {
                _told.Enqueue(line);
            }
        };
    }

    /// <exception cref="InvalidOperationException">A secret was told; the message has the line.</exception>
    public void ThrowIfLeaked()
    {
        if (!_told.IsEmpty)
        {
            throw new InvalidOperationException($"A service printed a secret:\n{string.Join('\n', _told.Take(10))}");
        }
    }

    /// <summary>A JWT, part of a connection string, or whatever follows the name of a credential's header.</summary>
    [GeneratedRegex(@"[Pp]assword=|[Pp]wd=|eyJ[A-Za-z0-9_-]{10,}\.|Bearer [A-Za-z0-9]|Queue-Token: [A-Za-z0-9]")]
    private static partial Regex Token();
}
