using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

internal static class RowLocks
{
    private const string Waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";

    /// <summary>Waits until that many transactions wait for a row lock.</summary>
    public static Task ExpectWaitingAsync(this Database database, int transactions = 1) => Eventually.TrueAsync(
        async () =>
        {
            // InnoDB renews this table only for readers who left it alone for 100 ms.
            await Task.Delay(125);
            return await database.ScalarAsync<long>(Waiting) >= transactions;
        },
        within: TimeSpan.FromSeconds(2));
}
