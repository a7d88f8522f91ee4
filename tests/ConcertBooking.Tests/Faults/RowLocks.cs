using System.Globalization;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

internal static class RowLocks
{
    /// <summary>
    /// Of the whole server, so for tests that have one to themselves. The tables that tell more are not the same on
    /// both servers, and MySQL's fail when a waiting statement carries bytes that are not text, as ids are.
    /// </summary>
    private const string Waiting = "SHOW GLOBAL STATUS WHERE Variable_name = 'Innodb_row_lock_current_waits'";

    /// <summary>Waits until that many transactions wait for a row lock.</summary>
    public static async Task ExpectWaitingAsync(this Database database, int transactions = 1)
    {
        await using var connection = await database.OpenAsync();
        await Eventually.TrueAsync(
            async () =>
            {
                await using var command = new MySqlCommand(Waiting, connection);
                await using var reader = await command.ExecuteReaderAsync();
                return await reader.ReadAsync() && int.Parse(reader.GetString(1), CultureInfo.InvariantCulture) >= transactions;
            },
            within: TimeSpan.FromSeconds(2));
    }
}
