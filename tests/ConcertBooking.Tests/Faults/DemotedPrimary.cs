using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>A MySQL that answers but takes no writes is left when there is another one, and reported until it does.</summary>
public sealed class DemotedPrimary : FaultTests
{
    private static readonly TimeSpan Whole = Eventually.Promised(seconds: 15);

    /// <summary>As after a switchover behind one address: the old primary goes on answering those who are connected to it.</summary>
    [Test]
    public async Task Switchover_OldConnectionsLive_WritesReachTheNewPrimary()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 0);
        var old = await DocumentedGrants.GrantAsync(fleet.Database, DocumentedGrants.Service);
        await using var newServer = await MySqlServers.StartAsync(new ServerOptions { AllowNamed = false });
        var promoted = await CopyOfAsync(fleet.Database, newServer);
        await using var proxy = TcpProxy.OfMySql(old.ConnectionString);
        await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(old)));
        foreach (var reply in await Rush.AllServedAsync(20, _ => fleet.NewVisitor().ChargeAsync(1)))
        {
            reply.Expect(201);
        }

        var (user, key) = (fleet.NewVisitor(), Visitor.NewKey());

        proxy.ServerPort = (int)new MySqlConnectionStringBuilder(newServer.ConnectionString).Port;
        await using var demoted = await ReadOnlyServer.DemoteAsync(fleet.Database);

        await Eventually.GetAsync(() => user.ChargeAsync(7, key), reply => reply.Status == 201, Whole);
        await Assert.That(
            await promoted.ScalarAsync<long>(
                "SELECT balance FROM user_point_balance WHERE user_id = @user", ("@user", user.UserId))).IsEqualTo(7);
        foreach (var reply in await Rush.AllServedAsync(20, _ => fleet.NewVisitor().ChargeAsync(1)))
        {
            reply.Expect(201);
        }
        // The health probe's own connection as well.
        await Eventually.TrueAsync(async () => await SessionsOfAsync(fleet.Database, old) == 0, Whole);
        await Eventually.GetAsync(() => fleet[0].GetAsync("/readyz"), ready => ready.Status == 200, Whole);
        await Assert.That(fleet.Faults()).IsEmpty();
    }

    /// <summary>Whoever only reads would be answered from yesterday for ever.</summary>
    [Test]
    public async Task Switchover_WithoutWrites_OldPrimaryIsLeftAllTheSame()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 0);
        var old = await DocumentedGrants.GrantAsync(fleet.Database, DocumentedGrants.Service);
        await using var newServer = await MySqlServers.StartAsync(new ServerOptions { AllowNamed = false });
        await CopyOfAsync(fleet.Database, newServer);
        await using var proxy = TcpProxy.OfMySql(old.ConnectionString);
        await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(old)), ("Roles", "api"));

        proxy.ServerPort = (int)new MySqlConnectionStringBuilder(newServer.ConnectionString).Port;
        await using var demoted = await ReadOnlyServer.DemoteAsync(fleet.Database);

        await Eventually.TrueAsync(async () => await SessionsOfAsync(fleet.Database, old) == 0, Whole);
        await Eventually.GetAsync(() => fleet[0].GetAsync("/readyz"), ready => ready.Status == 200, Whole);
    }

    [Test]
    public async Task ReadOnly_NoOtherServer_UnreadyAndSaidInOneLineUntilItWrites()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 0);
        var service = await DocumentedGrants.GrantAsync(fleet.Database, DocumentedGrants.Service);
        var settings = new Dictionary<string, string?> { [MySqlServers.Setting] = service.ConnectionString };
        await fleet.AddAsync((MySqlServers.Setting, service.ConnectionString), (KafkaServers.Setting, Rig.Servers.Kafka.ConnectionString));
        var (user, key) = (fleet.NewVisitor(), Visitor.NewKey());
        (await user.ChargeAsync(5)).Expect(201);
        using var onCall = new OnCall("MySQL failover", fleet, Rig.Settings);
        await Assert.That((await onCall.SqlAsync(1)).Single()[1]).IsEqualTo("0");

        await using (var demoted = await ReadOnlyServer.DemoteAsync(fleet.Database))
        {
            foreach (var reply in await Rush.AllAtOnceAsync(20, _ => fleet.NewVisitor().ChargeAsync(1)))
            {
                reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            }

            (await fleet.Admin.PostAsync("/v1/admin/concerts", """{"title":"The Quiet Hour","queue":"main"}"""))
                .ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            await Assert.That(await user.BalanceAsync()).IsEqualTo(5);
            await OutageTable.ExpectAsync("MySQL read-only, as a demoted primary", fleet.Members[0].Instance);
            await Assert.That((await onCall.SqlAsync(1)).Single()[1]).IsEqualTo("1");
            foreach (var command in (string[])["migrate", "seed"])
            {
                var refused = await Rig.RunAsync([command], settings);
                await Assert.That(refused.ExitCode).IsEqualTo(1).Because(refused.Output);
                await Assert.That(refused.Error.Trim()).StartsWith("concert-booking: ").And.Contains("read").And.DoesNotContain("\n");
            }
            await Assert.That((await Rig.RunAsync(["verify"], settings)).ExitCode).IsEqualTo(0);
        }

        await Eventually.GetAsync(() => user.ChargeAsync(5, key), reply => reply.Status == 201, Whole);
        await Eventually.GetAsync(() => fleet[0].GetAsync("/readyz"), ready => ready.Status == 200, Whole);
        await Assert.That(fleet.Faults()).IsEmpty();
        await fleet.VerifyAsync();
    }

    /// <summary>The same schema, users and name on another server; what was written before does not matter here.</summary>
    private static async Task<Database> CopyOfAsync(Database database, Server server)
    {
        var name = new MySqlConnectionStringBuilder(database.ConnectionString).Database;
        var copy = new Database(await MySqlServers.CreateDatabaseAsync(server, name));
        var migrated = await ServiceProcess.RunAsync(
            ["migrate"], new Dictionary<string, string?> { [MySqlServers.Setting] = copy.ConnectionString });
        await Assert.That(migrated.ExitCode).IsEqualTo(0).Because(migrated.Error);
        await DocumentedGrants.GrantAsync(copy, DocumentedGrants.Service);
        return copy;
    }

    private static Task<int> SessionsOfAsync(Database root, Database user) =>
        root.SessionsAsync("User", new MySqlConnectionStringBuilder(user.ConnectionString).UserID);
}
