using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>
/// A server that takes fewer connections than the pool may have (error 1040). It is one of its own: on a shared one the idle
/// connections of other instances and tests take of the few.
/// </summary>
public sealed class FewConnections : FaultTests
{
    private const int Pool = 300;
    private const int Allowed = 60;

    [Test]
    public async Task PoolLargerThanTheServerAllows_SaidAtStart_AndOthersCanLogIn()
    {
        await using var server = await StartServerAsync();
        var (service, settings) = await MigrateAsync(server);
        settings["Database__MaxPoolSize"] = $"{Pool}";
        await using var instance = await Rig.StartAsync(settings);
        await Eventually.TrueAsync(
            () => instance.Process.Output.Any(static line =>
                line.Contains("Database__MaxPoolSize", StringComparison.Ordinal)
                    && line.Contains("max_connections", StringComparison.Ordinal)));

        var calls = ChargeAllAsync(instance, Pool);
        var logins = 0;
        do
        {
            await using var another = await LogInAsync(service);
            logins++;
        }
        while (!calls.IsCompleted);

        await calls;
        await using var afterwards = await LogInAsync(service);
        await Assert.That(logins).IsGreaterThan(0);
        await ExpectNoFaultAsync(instance);
    }

    /// <summary>Other clients of the server take what was meant for the pool: it makes do with what it gets.</summary>
    [Test]
    public async Task OthersTakeTheConnections_PoolMakesDoAndGrowsAgain()
    {
        await using var server = await StartServerAsync();
        var (service, settings) = await MigrateAsync(server);
        settings["Database__MaxPoolSize"] = $"{Allowed}";
        await using var instance = await Rig.StartAsync(settings);
        var others = new Stack<MySqlConnection>();
        try
        {
            while (true)
            {
                others.Push(await LogInAsync(service));
            }
        }
        catch (MySqlException full) when (full.ErrorCode == MySqlErrorCode.ConnectionCountError)
        {
            for (var free = 0; free < 3; free++)
            {
                await others.Pop().DisposeAsync();
            }
        }

        await ChargeAllAsync(instance, 100);
        var signals = OutageTable.ExpectAsync("MySQL out of connections", instance);
        var users = Enumerable.Range(0, 100).Select(_ => Rig.NewVisitor(instance)).ToList();
        await Rush.AllAnsweredAsync(users, static user => user.ChargeAsync(1));
        await using (var locks = new MySqlCommand("START TRANSACTION; UPDATE user_point_balance SET balance = balance", others.Peek()))
        {
            await locks.ExecuteNonQueryAsync(); // so that they wait, each with a connection, and do not share a transaction
        }

        while (!signals.IsCompleted)
        {
            await Rush.AllAtOnceAsync(users, static user => user.ChargeAsync(1));
        }

        await signals;
        while (others.TryPop(out var other))
        {
            await other.DisposeAsync();
        }

        await Eventually.TrueAsync(
            async () => (await Rush.AllAtOnceAsync(40, _ => Rig.NewVisitor(instance).ChargeAsync(1)))
                .All(static reply => reply.Status == 201));
        await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 200);
        await ExpectNoFaultAsync(instance);
    }

    /// <summary>All at once: a request without a connection in time gets 503 with Retry-After, and its retry succeeds.</summary>
    private async Task ChargeAllAsync(Instance instance, int count)
    {
        var charges = Enumerable.Range(0, count).Select(_ => (Visitor: Rig.NewVisitor(instance), Key: Visitor.NewKey())).ToList();
        var replies = await Rush.AllAtOnceAsync(charges, static charge => charge.Visitor.ChargeAsync(1, charge.Key));
        Console.WriteLine(replies.Tally());
        foreach (var (index, reply) in replies.Index().Where(static reply => reply.Item.Status != 201))
        {
            reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            (await Eventually.AnsweredAsync(() => charges[index].Visitor.ChargeAsync(1, charges[index].Key))).Expect(201);
        }
    }

    private static Task<Server> StartServerAsync() => MySqlServers.StartAsync(new ServerOptions
    {
        AllowNamed = false,
        MySqlArguments = [$"--max-connections={Allowed}"],
    });

    /// <returns>The server as the user that serves, who has no connection of the server's reserve, and an instance's settings.</returns>
    private async Task<(Database Service, Dictionary<string, string?> Settings)> MigrateAsync(Server server)
    {
        var root = new Database(server.ConnectionString);
        await Assert.That((await Rig.RunAsync(["migrate"], root.Settings)).ExitCode).IsEqualTo(0);
        var service = await DocumentedGrants.GrantAsync(root, DocumentedGrants.Service);
        MySqlConnection.ClearPool(new MySqlConnection(root.ConnectionString));
        return (service, service.Settings);
    }

    /// <summary>A connection that is opened now and closed with its end: one from a pool may be an older one.</summary>
    private static async Task<MySqlConnection> LogInAsync(Database database)
    {
        var connection = new MySqlConnection(
            new MySqlConnectionStringBuilder(database.ConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    private static async Task ExpectNoFaultAsync(Instance instance) => await Assert.That(
        instance.Process.Output.Where(static line => line.Contains("Unhandled exception", StringComparison.Ordinal))).IsEmpty();
}
