using System.Collections.Concurrent;
using ConcertBooking.Infrastructure;
using Dapper;

namespace ConcertBooking.Queue;

/// <summary>A queue's settings; <paramref name="AdmitPerSecond"/> is 0 for as many as there are places. The higher version is the newer one: it is the row's last change in µs since 1970.</summary>
internal sealed record QueueSettings(string Name, int MaxActive, TimeSpan Active, int AdmitPerSecond, long Version);

internal sealed class QueueRow
{
    public string Name { get; set; } = "";
    public int? MaxActive { get; set; }
    public int? ActiveSeconds { get; set; }
    public int? AdmitPerSecond { get; set; }
    public long Version { get; set; }
}

/// <summary>
/// The queues as this instance knows them: the table, read again every second, so that entering the waiting room
/// needs no MySQL. Redis keeps the newest version any instance has shown it, so a change counts everywhere at once.
/// </summary>
internal sealed class Queues(MySql database, Settings settings)
{
    private readonly ConcurrentDictionary<string, QueueSettings> _known = new(StringComparer.Ordinal);

    public ICollection<QueueSettings> Known => _known.Values;

    public static bool IsName(string name) =>
        name.Length is > 0 and <= 64 && name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_');

    /// <summary>The queue of that name, or null when there is none. Only a name never seen asks MySQL.</summary>
    public async ValueTask<QueueSettings?> Find(string name, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(name, out var queue))
        {
            return queue;
        }

        if (!IsName(name))
        {
            return null;
        }

        await Refresh(cancellationToken);
        return _known.GetValueOrDefault(name);
    }

    /// <summary>
    /// The queue that a token of ours names. Queues are never removed; until MySQL was first read the defaults stand
    /// in, as the oldest version there is.
    /// </summary>
    public QueueSettings OfToken(string name) =>
        _known.GetValueOrDefault(name) ?? new QueueSettings(name, settings.QueueMaxActive, settings.QueueActive, 0, 0);

    private const string SelectSql = """
        SELECT queue_name AS Name, max_active AS MaxActive, active_seconds AS ActiveSeconds, admit_per_second AS AdmitPerSecond,
               CAST(UNIX_TIMESTAMP(updated_at) * 1000000 AS SIGNED) AS Version
        FROM queue
        """;

    public async Task Refresh(CancellationToken cancellationToken)
    {
        var rows = await database.Run(
            static async (connection, token) => (await connection.QueryAsync<QueueRow>(SelectSql)).ToList(), cancellationToken);
        foreach (var row in rows)
        {
            _known[row.Name] = new QueueSettings(
                row.Name,
                row.MaxActive ?? settings.QueueMaxActive,
                row.ActiveSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : settings.QueueActive,
                row.AdmitPerSecond ?? 0,
                row.Version);
        }
    }
}
