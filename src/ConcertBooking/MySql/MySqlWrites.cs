using System.Diagnostics;
using System.Globalization;
using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// The write check: whether the server would accept a write, which reads alone do not show of a server that was demoted or
/// is out of space.
/// </summary>
internal sealed partial class MySqlDatabase
{
    /// <summary>How long a server is trusted that only reports to be writable, without a write.</summary>
    private static readonly TimeSpan WriteInterval = TimeSpan.FromSeconds(10);

    /// <summary>Between two clearings of the pools, since there may be no other server to reach.</summary>
    private static readonly TimeSpan MinimumClearInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>Updates the same row each time.</summary>
    private const string WriteSql = """
        INSERT INTO write_check (check_id, checked_at) VALUES (0, NOW(6)) ON DUPLICATE KEY UPDATE checked_at = NOW(6)
        """;

    /// <summary>
    /// A row larger than the free pages of any table, so that it needs space on the disk. It stays: were it deleted, the next
    /// one would reuse its pages. From forty rows (60 MB) on none is added, and the disk counts as writable.
    /// </summary>
    private const string GrowSql = """
        INSERT INTO write_check (check_id, checked_at, filler)
        SELECT @id, NOW(6), REPEAT('x', 1500000) FROM (SELECT COUNT(*) AS checks FROM write_check) AS known WHERE known.checks < 40
        """;

    private volatile bool _writesSuspect;
    private volatile bool _outOfSpace;
    private long? _lastWrite;
    private long _lastClear;

    /// <summary>Checks that the server is not read-only; writes as well every ten seconds and after a refused write.</summary>
    /// <exception cref="MySqlException">It accepts no writes.</exception>
    public async Task CheckWritesAsync(CancellationToken cancellationToken)
    {
        await using var connection = await _probes.OpenConnectionAsync(cancellationToken);
        _slots.SetServerLimit(_serverLimit);
        await using var ask = new MySqlCommand("SELECT @@GLOBAL.read_only + @@GLOBAL.innodb_read_only", connection);
        var readOnlyModes = await ask.ExecuteScalarAsync(CancellationToken.None).WaitAsync(cancellationToken);
        var readOnly = Convert.ToInt32(readOnlyModes, CultureInfo.InvariantCulture) != 0;
        if (!readOnly && !_writesSuspect && _lastWrite is { } written && Stopwatch.GetElapsedTime(written) < WriteInterval)
        {
            return;
        }

        _writesSuspect = true; // until the write succeeds: a timeout counts as a refusal
        try
        {
            await using var write = new MySqlCommand(_outOfSpace ? GrowSql : WriteSql, connection);
            write.Parameters.AddWithValue("@id", Random.Shared.NextInt64(1, long.MaxValue));
            await write.ExecuteNonQueryAsync(CancellationToken.None).WaitAsync(cancellationToken);
            (_writesSuspect, _outOfSpace, _lastWrite) = (false, false, Stopwatch.GetTimestamp());
        }
        catch (MySqlException exception)
        {
            RecordWriteFault(MySqlErrors.FaultOf(exception));
            if (MySqlErrors.FaultOf(exception) is MySqlFault.NotPrimary)
            {
                await ClearPoolsAsync();
            }

            throw;
        }
    }

    /// <summary>Makes the next check write, after a write that the server refused.</summary>
    private void RecordWriteFault(MySqlFault fault)
    {
        _outOfSpace |= fault is MySqlFault.OutOfSpace;
        _writesSuspect |= fault is MySqlFault.OutOfSpace or MySqlFault.NotPrimary;
    }

    /// <summary>Drops all connections, those of the probes as well: a new one may lead to another server.</summary>
    private async Task ClearPoolsAsync()
    {
        var left = Interlocked.Read(ref _lastClear);
        if ((left != 0 && Stopwatch.GetElapsedTime(left) < MinimumClearInterval)
            || Interlocked.CompareExchange(ref _lastClear, Stopwatch.GetTimestamp(), left) != left)
        {
            return;
        }

        await _source.ClearAsync();
        await _probes.ClearAsync();
    }
}
