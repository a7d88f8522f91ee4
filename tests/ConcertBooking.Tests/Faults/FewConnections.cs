using System.Globalization;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>A server that takes fewer connections than the pool may have (error 1040).</summary>
public sealed class FewConnections : FaultTests
{
    private const int Pool = 300;
    private const int Allowed = 60;

    [Test]
    public async Task PoolLargerThanTheServerAllows_SaidAtStart_AndOthersCanLogIn()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 0);
        var service = await DocumentedGrants.GrantAsync(fleet.Database, DocumentedGrants.Service);
        await using var limit = await ConnectionLimit.SetAsync(fleet.Database, Allowed);
        await fleet.AddAsync((MySqlServers.Setting, service.ConnectionString), ("Database__MaxPoolSize", $"{Pool}"));
        await Eventually.TrueAsync(
            () => fleet.Members[0].Instance.Process.Output.Any(static line =>
                line.Contains(
                    "Database__MaxPoolSize", StringComparison.Ordinal) && line.Contains("max_connections", StringComparison.Ordinal)));

        var calls = ChargeAllAsync(fleet, Pool);
        var logins = 0;
        do
        {
            await using var another = await service.OpenAsync();
            logins++;
        }
        while (!calls.IsCompleted);

        await calls;
        await using var afterwards = await service.OpenAsync();
        await Assert.That(logins).IsGreaterThan(0);
        await Assert.That(fleet.Faults()).IsEmpty();
    }

    /// <summary>Other clients of the server take what was meant for the pool: it makes do with what it gets.</summary>
    [Test]
    public async Task OthersTakeTheConnections_PoolMakesDoAndGrowsAgain()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 0);
        var service = await DocumentedGrants.GrantAsync(fleet.Database, DocumentedGrants.Service);
        await using var limit = await ConnectionLimit.SetAsync(fleet.Database, Allowed);
        await fleet.AddAsync(
            (MySqlServers.Setting, service.ConnectionString), ("Database__MaxPoolSize", $"{Allowed}"),
            (KafkaServers.Setting, Rig.Servers.Kafka.ConnectionString));
        var others = new Stack<MySqlConnection>();
        try
        {
            while (true)
            {
                others.Push(await service.OpenAsync());
            }
        }
        catch (MySqlException full) when (full.ErrorCode == MySqlErrorCode.ConnectionCountError)
        {
            for (var free = 0; free < 3; free++)
            {
                await others.Pop().DisposeAsync();
            }
        }

        await ChargeAllAsync(fleet, 100);
        var signals = OutageTable.ExpectAsync("MySQL out of connections", fleet.Members[0].Instance);
        while (!signals.IsCompleted)
        {
            await Rush.AllAtOnceAsync(100, _ => fleet.NewVisitor().ChargeAsync(1));
        }

        await signals;
        while (others.TryPop(out var other))
        {
            await other.DisposeAsync();
        }

        MySqlConnection.ClearAllPools();
        await Eventually.TrueAsync(
            async () => (await Rush.AllAtOnceAsync(40, _ => fleet.NewVisitor().ChargeAsync(1))).All(static reply => reply.Status == 201));
        await Eventually.GetAsync(() => fleet[0].GetAsync("/readyz"), ready => ready.Status == 200);
        await Assert.That(fleet.Faults()).IsEmpty();
    }

    /// <summary>All at once: a request without a connection in time gets 503 with Retry-After, and its retry succeeds.</summary>
    private static async Task ChargeAllAsync(Fleet fleet, int count)
    {
        var charges = Enumerable.Range(0, count).Select(_ => (Visitor: fleet.NewVisitor(), Key: Visitor.NewKey())).ToList();
        var replies = await Rush.AllAtOnceAsync(charges, static charge => charge.Visitor.ChargeAsync(1, charge.Key));
        Console.WriteLine(replies.Tally());
        foreach (var (index, reply) in replies.Index().Where(static reply => reply.Item.Status != 201))
        {
            reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            (await Eventually.AnsweredAsync(() => charges[index].Visitor.ChargeAsync(1, charges[index].Key))).Expect(201);
        }
    }

    /// <summary>The server's max_connections, for as long as a test needs it.</summary>
    private sealed class ConnectionLimit(MySqlConnection root, long before) : IAsyncDisposable
    {
        public static async Task<ConnectionLimit> SetAsync(Database database, int allowed)
        {
            var root = await database.OpenAsync();
            await using var ask = new MySqlCommand("SELECT @@GLOBAL.max_connections", root);
            var before = Convert.ToInt64(await ask.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
            var limit = new ConnectionLimit(root, before);
            await limit.SetAsync(allowed);
            return limit;
        }

        public async ValueTask DisposeAsync()
        {
            await SetAsync(before);
            await root.DisposeAsync();
        }

        private async Task SetAsync(long connections)
        {
            await using var set = new MySqlCommand($"SET GLOBAL max_connections = {connections}", root);
            await set.ExecuteNonQueryAsync();
        }
    }
}
