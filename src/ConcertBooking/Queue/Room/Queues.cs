using System.Collections.Concurrent;
using Dapper;

namespace ConcertBooking.Queue.Room;

/// <summary>
/// A queue's settings; <paramref name="AdmitPerSecond"/> is 0 for as many as there are places. The higher version is the
/// newer one. It is the row's last change in µs since 1970, or more where the clock was ahead, and the defaults' version.
/// </summary>
internal sealed record QueueSettings(string Name, int MaxActive, TimeSpan Active, int AdmitPerSecond, long Version)
{
    /// <summary>The difficulty of the proof of work, in zero bits; 0: none.</summary>
    public int ProofOfWorkBits { get; init; }

    /// <summary>The queue's own setting; null for the default.</summary>
    public int? OwnProofOfWorkBits { get; init; }

    /// <summary>Nobody has ever entered the queue, as far as MySQL has recorded.</summary>
    public bool IsNew { get; init; }
}

internal sealed class QueueRow
{
    public string Name { get; set; } = "";
    public int MaxActive { get; set; }
    public int ActiveSeconds { get; set; }
    public int? AdmitPerSecond { get; set; }
    public int? ProofOfWorkBits { get; set; }
    public bool IsNew { get; set; }
    public long Version { get; set; }
}

/// <summary>
/// In-memory copy of the queue table, refreshed every second, so that entering the waiting room needs no MySQL. Redis keeps
/// the newest version that any instance has sent, so that a change applies on all instances at once.
/// </summary>
internal sealed class Queues(MySqlDatabase database, Settings settings) : IDisposable
{
    private readonly ConcurrentDictionary<string, QueueSettings> _known = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _refreshLock = new(1);
    private long _refreshes;
    private bool _succeeded;
    private bool _defaultsWritten;

    public void Dispose() => _refreshLock.Dispose();

    public ICollection<QueueSettings> Known => _known.Values;

    public static bool IsName(string name) =>
        name.Length is > 0 and <= QueueTokens.MaximumQueueName
        && name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_');

    /// <summary>The queue of that name, or null when there is none. Only an unknown name queries MySQL.</summary>
    public async ValueTask<QueueSettings?> FindAsync(string name, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(name, out var queue))
        {
            return queue;
        }

        if (!IsName(name))
        {
            return null;
        }

        await RefreshAsync(cancellationToken);
        return _known.GetValueOrDefault(name);
    }

    /// <summary>
    /// The queue of a valid token. Queues are never removed; until MySQL was first read, the defaults are used, as the oldest
    /// version.
    /// </summary>
    public QueueSettings OfToken(string name) =>
        _known.GetValueOrDefault(name) ?? new QueueSettings(name, settings.QueueMaxActive, settings.QueueActive, 0, 0);

    private const string SelectSql = """
        SELECT q.queue_name AS Name, COALESCE(q.max_active, d.max_active) AS MaxActive,
               COALESCE(q.active_seconds, d.active_seconds) AS ActiveSeconds, q.admit_per_second AS AdmitPerSecond,
               q.proof_of_work_bits AS ProofOfWorkBits, q.entered_at IS NULL AS IsNew,
               GREATEST(q.version, CAST(UNIX_TIMESTAMP(q.updated_at) * 1000000 AS SIGNED)) + d.version AS Version
        FROM queue q JOIN queue_default d ON d.id = 1
        """;

    /// <summary>The defaults of the instance that started last apply to all; changed numbers make a new version.</summary>
    private const string WriteDefaultsSql = """
        INSERT INTO queue_default (id, max_active, active_seconds) VALUES (1, @maxActive, @activeSeconds)
        ON DUPLICATE KEY UPDATE version = version + IF(max_active = @maxActive AND active_seconds = @activeSeconds, 0, 1),
          max_active = @maxActive, active_seconds = @activeSeconds
        """;

    private const string EnteredSql =
        "UPDATE queue SET entered_at = NOW(6), updated_at = updated_at WHERE queue_name = @name AND entered_at IS NULL";

    /// <summary>Records that the queue was entered: from now on missing data in Redis is a loss.</summary>
    public Task MarkEnteredAsync(string name, CancellationToken cancellationToken) =>
        database.RunAsync(
            (connection, _) => connection.ExecuteAsync(EnteredSql, new { name }, commandTimeout: MySqlLimits.StatementSeconds),
            cancellationToken, MySqlLimits.Background);

    /// <summary>
    /// Reads the table as it is now, one read at a time: requests with invented names share the next read and one connection.
    /// </summary>
    public async Task RefreshAsync(CancellationToken cancellationToken, Deadline? until = null)
    {
        var deadline = until ?? MySqlLimits.Request;
        var refreshes = Volatile.Read(ref _refreshes);
        if (!await _refreshLock.WaitAsync(deadline.Left, cancellationToken))
        {
            throw new DatabaseUnavailableException("The queues could not be read in time.");
        }

        try
        {
            if (_refreshes == refreshes || !_succeeded)
            {
                Volatile.Write(ref _refreshes, _refreshes + 1);
                _succeeded = false;
                await LoadAsync(deadline, cancellationToken);
                _succeeded = true;
            }
        }
        finally
        {
            _refreshLock.Release();
        }
    }

    /// <summary>The same, unless MySQL cannot be asked: what is known then is enough to go on with.</summary>
    public async Task TryRefreshAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RefreshAsync(cancellationToken);
        }
        catch (Exception exception)
            when (exception is DatabaseUnavailableException || MySqlErrors.FaultOf(exception) is not MySqlFault.None)
        {
        }
    }

    private async Task LoadAsync(Deadline deadline, CancellationToken cancellationToken)
    {
        if (!_defaultsWritten)
        {
            var (maxActive, activeSeconds) = (settings.QueueMaxActive, (int)settings.QueueActive.TotalSeconds);
            await database.RunAsync(
                (connection, _) => connection.ExecuteAsync(
                    WriteDefaultsSql, new { maxActive, activeSeconds }, commandTimeout: MySqlLimits.StatementSeconds),
                cancellationToken, deadline);
            _defaultsWritten = true;
        }

        var rows = await database.RunAsync(
            static async (connection, token) => (await connection.QueryAsync<QueueRow>(
                SelectSql, commandTimeout: MySqlLimits.StatementSeconds)).ToList(),
            cancellationToken, deadline);
        foreach (var row in rows)
        {
            _known[row.Name] = new QueueSettings(
                row.Name, row.MaxActive, TimeSpan.FromSeconds(row.ActiveSeconds), row.AdmitPerSecond ?? 0, row.Version)
            {
                ProofOfWorkBits = row.ProofOfWorkBits ?? settings.Security.ProofOfWorkBits,
                OwnProofOfWorkBits = row.ProofOfWorkBits,
                IsNew = row.IsNew,
            };
        }
    }
}
