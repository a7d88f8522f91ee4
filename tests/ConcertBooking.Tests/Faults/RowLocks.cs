using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

internal static class RowLocks
{
    // MySQL's innodb_trx fails when a waiting statement carries bytes that are not text, as ids are; MariaDB has only that.
    private const string WaitingOnMySql = "SELECT COUNT(DISTINCT requesting_engine_transaction_id) FROM performance_schema.data_lock_waits";
    private const string WaitingOnMariaDb = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";

    /// <summary>Waits until that many transactions wait for a row lock.</summary>
    public static async Task ExpectWaitingAsync(this Database database, int transactions = 1)
    {
        var version = await database.ScalarAsync<string>("SELECT VERSION()");
        var waiting = version!.Contains("MariaDB", StringComparison.Ordinal) ? WaitingOnMariaDb : WaitingOnMySql;
        await Eventually.TrueAsync(
            async () =>
            {
                // MariaDB renews its table only for readers who left it alone for 100 ms.
                await Task.Delay(125);
                return await database.ScalarAsync<long>(waiting) >= transactions;
            },
            within: TimeSpan.FromSeconds(2));
    }
}
