using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>
/// A server that answers and reads but has no room for another row. All tables lie in one file that may not grow past
/// a limit, so that InnoDB refuses as it does on a full disk (1114), wherever the tests run.
/// </summary>
public sealed class FullDisk : FaultTests
{
    private static readonly TimeSpan Whole = Eventually.Promised(seconds: 15);

    [Test]
    public async Task NoRoom_WritesRefused_UnreadyUntilThereIsRoom()
    {
        await using var server = await MySqlServers.StartAsync(new ServerOptions
        {
            AllowNamed = false,
            MySqlArguments = ["--innodb-data-file-path=ibdata1:12M:autoextend:max:40M", "--innodb-file-per-table=OFF"],
        });
        var database = new Database(server.ConnectionString);
        var settings = database.Settings;
        await Assert.That((await Rig.RunAsync(["migrate"], settings)).ExitCode).IsEqualTo(0);
        await using var instance = await Rig.StartAsync(settings);
        var (user, key) = (Rig.NewVisitor(instance), Visitor.NewKey());
        (await user.ChargeAsync(5)).Expect(201);

        using var onCall = new OnCall("Disk full", database, settings);
        await onCall.SqlAsync(2);

        var ballast = await FillAsync(database); // ends with its server: MariaDB does not outlive its rollback
        var refused = await Eventually.GetAsync(() => Rig.NewVisitor(instance).ChargeAsync(1), reply => reply.Status != 201);
        refused.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
        await Eventually.GetAsync(
            async () =>
            {
                await Rig.NewVisitor(instance).ChargeAsync(1);
                return await instance.Api.GetAsync("/readyz");
            },
            ready => ready.Status == 503);
        await OutageTable.ExpectAsync("MySQL out of space", instance);
        await Assert.That((await onCall.SqlAsync(1)).Select(static row => row[0])).Contains("ballast");
        await Assert.That(await user.BalanceAsync()).IsEqualTo(5);
        // Nobody writes any more, and still it does not look well again.
        for (var round = 0; round < 30; round++)
        {
            (await instance.Api.GetAsync("/readyz")).Expect(503);
            await Task.Delay(100);
        }

        if ((await database.ScalarAsync<string>("SELECT VERSION()"))?.Contains("MariaDB", StringComparison.Ordinal) == true)
        {
            return; // it has no room left to drop a table or to roll back: what follows is seen on MySQL
        }

        await ballast.CommitAsync();
        await database.ExecuteAsync("DROP TABLE ballast");

        await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 200, Whole);
        await Eventually.GetAsync(() => user.ChargeAsync(5, key), reply => reply.Status == 201, Whole);
        await Assert.That(instance.Process.Output.Any(static line => line.Contains("Unhandled exception", StringComparison.Ordinal)))
            .IsFalse();
        await Assert.That((await Rig.RunAsync(["verify"], settings)).ExitCode).IsEqualTo(0);
    }

    /// <summary>Rows of a page each until there is no page, then those that fit into what the tables of a charge have left.</summary>
    /// <returns>What holds the ballast.</returns>
    private static async Task<MySqlTransaction> FillAsync(Database database)
    {
        await database.ExecuteAsync("CREATE TABLE ballast (filler VARBINARY(8000) NOT NULL) ENGINE=InnoDB");
        var connection = await database.OpenAsync();
        var transaction = await connection.BeginTransactionAsync();
        await UntilFullAsync(transaction, $"INSERT INTO ballast VALUES {string.Join(',', Enumerable.Repeat("(REPEAT('x', 8000))", 200))}");
        await UntilFullAsync(transaction, "INSERT INTO ballast VALUES (REPEAT('x', 8000))");
        await using var another = await database.OpenAsync();
        await UntilFullAsync(another, null, """
            INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id)
            VALUES (FLOOR(RAND() * 1000000), 'fill', UUID(), REPEAT('x', 32), REPEAT('x', 16))
            """);
        return transaction;
    }

    private static Task UntilFullAsync(MySqlTransaction transaction, string sql) =>
        UntilFullAsync(transaction.Connection!, transaction, sql);

    private static async Task UntilFullAsync(MySqlConnection connection, MySqlTransaction? transaction, string sql)
    {
        await using var command = new MySqlCommand(sql, connection, transaction);
        while (true)
        {
            try
            {
                await command.ExecuteNonQueryAsync();
            }
            catch (MySqlException full) when (full.ErrorCode == MySqlErrorCode.RecordFileFull)
            {
                return;
            }
        }
    }
}
