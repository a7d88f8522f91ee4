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
    /// <summary>A server that only says that it writes is believed for this long.</summary>
    private static readonly TimeSpan WriteEvery = TimeSpan.FromSeconds(10);

    /// <summary>Connections are dropped this often at most, since there may be no other server to be reached.</summary>
    private static readonly TimeSpan LeaveEvery = TimeSpan.FromMilliseconds(500);

    /// <summary>One row, written again and again.</summary>
    private const string WriteSql = """
        INSERT INTO write_check (check_id, checked_at) VALUES (0, NOW(6)) ON DUPLICATE KEY UPDATE checked_at = NOW(6)
        """;

    /// <summary>
    /// More than any table has in reserve, so that it comes down to room on the disk. It stays: were it deleted, the
    /// next one would find its place. At forty rows (60 MB) there are no more, and the disk is believed.
    /// </summary>
    private const string GrowSql = """
        INSERT INTO write_check (check_id, checked_at, filler)
        SELECT @id, NOW(6), REPEAT('x', 1500000) FROM (SELECT COUNT(*) AS checks FROM write_check) AS known WHERE known.checks < 40
        """;

    private volatile bool _doubted;
    private volatile bool _full;
    private long? _written;
    private long _left;

    /// <summary>Asks whether the server is read-only, and writes when that is not enough: at times, and after a refused write.</summary>
    /// <exception cref="MySqlException">It takes no writes.</exception>
    public async Task CheckWritesAsync(CancellationToken cancellationToken)
    {
        await using var connection = await _probes.OpenConnectionAsync(cancellationToken);
        _slots.Fit(_allowed);
        await using var ask = new MySqlCommand("SELECT @@GLOBAL.read_only + @@GLOBAL.innodb_read_only", connection);
        var readOnlyModes = await ask.ExecuteScalarAsync(CancellationToken.None).WaitAsync(cancellationToken);
        var readOnly = Convert.ToInt32(readOnlyModes, CultureInfo.InvariantCulture) != 0;
        if (!readOnly && !_doubted && _written is { } written && Stopwatch.GetElapsedTime(written) < WriteEvery)
        {
            return;
        }

        _doubted = true; // until it has written: no answer in time is no better than a refusal
        try
        {
            await using var write = new MySqlCommand(_full ? GrowSql : WriteSql, connection);
            write.Parameters.AddWithValue("@id", Random.Shared.NextInt64(1, long.MaxValue));
            await write.ExecuteNonQueryAsync(CancellationToken.None).WaitAsync(cancellationToken);
            (_doubted, _full, _written) = (false, false, Stopwatch.GetTimestamp());
        }
        catch (MySqlException exception)
        {
            Doubt(MySqlErrors.FaultOf(exception));
            if (MySqlErrors.FaultOf(exception) is MySqlFault.NotPrimary)
            {
                await LeaveServerAsync();
            }

            throw;
        }
    }

    /// <summary>A write was refused: the next probe does not believe, but writes.</summary>
    private void Doubt(MySqlFault fault)
    {
        _full |= fault is MySqlFault.OutOfSpace;
        _doubted |= fault is MySqlFault.OutOfSpace or MySqlFault.NotPrimary;
    }

    /// <summary>Drops every connection, the probes' as well: a new one may lead to another server.</summary>
    private async Task LeaveServerAsync()
    {
        var left = Interlocked.Read(ref _left);
        if ((left != 0 && Stopwatch.GetElapsedTime(left) < LeaveEvery)
            || Interlocked.CompareExchange(ref _left, Stopwatch.GetTimestamp(), left) != left)
        {
            return;
        }

        await _source.ClearAsync();
        await _probes.ClearAsync();
    }
}
