using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>Servers whose defaults are not those that the service was written with: sessions state their own.</summary>
public sealed class ServerDefaults : FaultTests
{
    /// <summary>The first three of these lose payments, refuse statements or leave them uncommitted, each by itself.</summary>
    [Test]
    public async Task Globals_OtherThanOurs_SalesGoOnAndAddUp()
    {
        await using var mode = await Globals.SetAsync(
            Rig.Database, "sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH'");
        await using var commit = await Globals.SetAsync(Rig.Database, "autocommit = 0");
        await using var completion = await Globals.SetAsync(Rig.Database, "completion_type = 'RELEASE'");
        await using var zone = await Globals.SetAsync(Rig.Database, "time_zone = '+09:00'");
        await using var isolation = await Globals.SetAsync(Rig.Database, "tx_isolation = 'SERIALIZABLE'");
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var seeded = await Rig.RunAsync(
            ["seed", "--concerts", "1", "--schedules", "1", "--seats", "5"],
            new Dictionary<string, string?> { [MySqlServers.Setting] = fleet.Database.ConnectionString });
        await Assert.That(seeded.ExitCode).IsEqualTo(0).Because(seeded.Error);
        await Assert.That((await fleet[0].GetAsync("/v1/concerts")).Expect(200).Items().Count).IsEqualTo(1);
        const int Sales = 20;
        var show = await fleet.Catalogue.AddShowAsync(seats: Sales);
        var replies = await Task.WhenAll(Enumerable.Range(1, Sales).Select(async seat =>
        {
            var user = await fleet.NewVisitorAsync(show, points: show.Price);
            var reservation = await user.HeldAsync(show, seat);
            var paid = await Eventually.AnsweredAsync(() => user.PayAsync(reservation, key: reservation));
            (await user.ReservationAsync(reservation)).Expect(200);
            return (Paid: paid, Balance: await user.BalanceAsync());
        }));

        foreach (var (paid, balance) in replies)
        {
            paid.Expect(201);
            await Assert.That(balance).IsEqualTo(0);
        }
        await Assert.That(fleet.Faults()).IsEmpty();
        await fleet.VerifyAsync();
    }

    /// <summary>
    /// A statement on a session that was closed for being idle is not run. MySQL answers it with error 4031; on MariaDB it fails as on a
    /// connection that was lost during the statement.
    /// </summary>
    [Test]
    public async Task IdleSessions_ClosedByTheServer_NoRequestFails()
    {
        await using var defaults = await Globals.SetAsync(Rig.Database, "wait_timeout = 2");
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        const int Rounds = 3, Concerts = 8;
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var reply in await Rush.AllServedAsync(25, _ => fleet.NewVisitor().ChargeAsync(1)))
            {
                reply.Expect(201);
            }
            // The sweeps keep one or two of them awake.
            await Eventually.TrueAsync(
                async () => await fleet.Database.SessionsAsync() <= 4);
            // So many at once that not all get a session that was kept awake.
            foreach (var reply in await Rush.AllAtOnceAsync(
                Concerts, _ => fleet.Admin.PostAsync("/v1/admin/concerts", """{"title":"The Quiet Hour","queue":"main"}""")))
            {
                reply.Expect(201);
            }
        }
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM concert")).IsEqualTo(Rounds * Concerts);
        await Assert.That(fleet.Faults()).IsEmpty();
    }

    /// <summary>A global variable for as long as a test needs it; new sessions get it.</summary>
    private sealed class Globals : IAsyncDisposable
    {
        private readonly MySqlConnection _root;
        private readonly string _name;
        private object? _before;

        private Globals(MySqlConnection root, string name) => (_root, _name) = (root, name);

        public static async Task<Globals> SetAsync(Database database, string setting)
        {
            var root = await database.OpenAsync();
            // The one variable that the two servers name differently.
            if (!root.ServerVersion.Contains("MariaDB", StringComparison.Ordinal))
            {
                setting = setting.Replace("tx_isolation", "transaction_isolation", StringComparison.Ordinal);
            }

            var globals = new Globals(root, setting.Split(' ')[0]);
            await using var ask = new MySqlCommand($"SELECT @@GLOBAL.{globals._name}", root);
            globals._before = await ask.ExecuteScalarAsync();
            await globals.ExecuteAsync($"SET GLOBAL {setting}");
            return globals;
        }

        public async ValueTask DisposeAsync()
        {
            await ExecuteAsync($"SET GLOBAL {_name} = @before");
            await _root.DisposeAsync();
            MySqlConnection.ClearAllPools();
        }

        private async Task ExecuteAsync(string sql)
        {
            await using var command = new MySqlCommand(sql, _root);
            command.Parameters.AddWithValue("@before", _before);
            await command.ExecuteNonQueryAsync();
        }
    }
}
