using System.Globalization;
using MySqlConnector;

namespace ConcertBooking.Tests.Support;

internal static class RowLocks
{
    /// <summary>
    /// Of the whole server, so for tests that have one to themselves. The tables that tell more are not the same on
    /// both servers, and MySQL's fail when a waiting statement carries bytes that are not text, as ids are.
    /// </summary>
    private const string Waiting = "SHOW GLOBAL STATUS WHERE Variable_name = 'Innodb_row_lock_current_waits'";

    /// <summary>Waits until that many transactions wait for a row lock.</summary>
    public static Task ExpectWaitingAsync(this Database database, int transactions = 1) =>
        ExpectAsync(database, waiting => waiting >= transactions);

    /// <summary>Waits until the request waits for a row lock; fails when it is answered before.</summary>
    public static async Task ExpectWaitingAsync(this Database database, Task<Reply> request)
    {
        await ExpectAsync(database, waiting => waiting > 0 || request.IsCompleted);
        await Assert.That(request.IsCompleted).IsFalse();
    }

    /// <summary>Waits until nobody waits for a row lock any more: those who did were killed, and the server has noticed.</summary>
    public static Task ExpectNoneWaitingAsync(this Database database) =>
        ExpectAsync(database, static waiting => waiting == 0);

    /// <summary>Deadlocks of the whole server since it started; null where its user may not read them.</summary>
    public static async Task<long?> DeadlocksAsync(this Database database)
    {
        try
        {
            return await database.ScalarAsync<long>(
                "SELECT CAST(`count` AS SIGNED) FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'");
        }
        catch (MySqlException)
        {
            return null;
        }
    }

    private static async Task ExpectAsync(Database database, Func<int, bool> condition)
    {
        await using var connection = await database.OpenAsync();
        await Eventually.TrueAsync(
            async () =>
            {
                await using var command = new MySqlCommand(Waiting, connection);
                await using var reader = await command.ExecuteReaderAsync();
                return await reader.ReadAsync() && condition(int.Parse(reader.GetString(1), CultureInfo.InvariantCulture));
            });
    }
}
