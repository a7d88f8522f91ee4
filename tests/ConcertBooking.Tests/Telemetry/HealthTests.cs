using System.Globalization;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Telemetry;

public sealed class HealthTests : SharedRigTests
{
    [Test]
    public async Task Livez_OnBothPorts_Returns200()
    {
        (await Rig.A.Api.GetAsync("/livez")).Expect(200);
        (await Rig.A.Management.GetAsync("/livez")).Expect(200);
    }

    [Test]
    public async Task Readyz_AllUp_Returns200ReadyOnBothPorts()
    {
        foreach (var api in (Api[])[Rig.A.Api, Rig.A.Management])
        {
            var reply = await Eventually.GetAsync(
                () => api.GetAsync("/readyz"), reply => reply.Expect(200).Value("status") == "ready");
            reply.ExpectMembers("status", "checks");
            var checks = reply.Json.GetProperty("checks");
            checks.ExpectMembers("mysql", "redis", "kafka");
            foreach (var check in checks.EnumerateObject())
            {
                await Assert.That(check.Value.GetString()).IsEqualTo("up").Because(check.Name);
            }
        }
    }

    [Test]
    [Arguments("/v1/concerts")]
    [Arguments("/v1/points")]
    [Arguments("/openapi/v1.json")]
    [Arguments("/scalar")]
    public async Task ManagementPort_Api_Is404(string path) => (await Rig.A.Management.GetAsync(path)).ExpectProblem(404, "not_found");

    [Test]
    [Arguments("/metrics")]
    public async Task ApiPort_OperatorsPaths_Are404(string path) => (await Rig.A.Api.GetAsync(path)).ExpectProblem(404, "not_found");

    [Test]
    public async Task Start_WithoutMySql_IsUnreadyAndRecoversByItself()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var server = new MySqlConnectionStringBuilder(Rig.Database.ConnectionString);
        var port = Ports.Take();
        var moved = new MySqlConnectionStringBuilder(Rig.Database.ConnectionString)
        {
            Server = "127.0.0.1",
            Port = (uint)port
        }.ConnectionString;
        await using var instance = await Rig.StartAsync(
            new Dictionary<string, string?> { [MySqlServers.Setting] = moved }, waitFor: "/livez");
        var visitor = Rig.NewVisitor(instance);

        var unready = await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 503);
        await Assert.That(unready.Value("status")).IsEqualTo("unready");
        await Assert.That(unready.Json.GetProperty("checks").Value("mysql")).IsEqualTo("down");
        (await instance.Api.GetAsync("/livez")).Expect(200);
        (await instance.Api.GetAsync("/v1/concerts")).ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
        (await visitor.ChargeAsync(5)).ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
        await Eventually.TrueAsync(
            () => instance.Process.Output.Any(line => line.Contains("MySQL is down", StringComparison.Ordinal)));

        await using var proxy = new TcpProxy(server.Server, (int)server.Port, port);

        await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 200);
        await visitor.AdmittedAsync(show);
        (await visitor.HoldAsync(show)).Expect(201);
        await Eventually.TrueAsync(
            () => instance.Process.Output.Any(line => line.Contains("MySQL is back", StringComparison.Ordinal)));
    }

    [Test]
    public async Task Start_WithoutRedis_IsDegradedAndRecoversByItself()
    {
        var endpoint = Rig.Servers.Redis.ConnectionString.Split(',')[0].Split(':');
        var port = Ports.Take();
        await using var instance = await Rig.StartAsync(new Dictionary<string, string?> { [RedisServers.Setting] = $"127.0.0.1:{port}" });
        var degraded = (await instance.Api.GetAsync("/readyz")).Expect(200);
        await Assert.That(degraded.Value("status")).IsEqualTo("degraded");

        await using var proxy = new TcpProxy(endpoint[0], int.Parse(endpoint[1], CultureInfo.InvariantCulture), port);

        await Eventually.GetAsync(
            () => instance.Api.GetAsync("/readyz"),
            ready => ready.Expect(200).Json.GetProperty("checks").Value("redis") == "up");
        var (queue, visitor) = (await Rig.Catalogue.AddQueueAsync(), Rig.NewVisitor(instance));
        await visitor.EnteredAsync(queue);
    }

    [Test]
    public async Task Start_WithoutSchema_IsUnreadyUntilMigrated()
    {
        var database = await Rig.AddDatabaseAsync(migrate: false);
        var settings = database.Settings;
        await using var instance = await Rig.StartAsync(settings, waitFor: "/livez");
        await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 503);
        await Eventually.TrueAsync(
            () => instance.Process.Output.Any(line => line.Contains("migrate", StringComparison.Ordinal)));

        await Rig.RunAsync(["migrate"], settings);

        await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 200);
    }

    [Test]
    public async Task Start_WithoutAProcedure_IsUnreadyUntilMigrated()
    {
        var database = await Rig.AddDatabaseAsync();
        foreach (var name in await database.ColumnAsync<string>(
            "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_name LIKE 'pay%'"))
        {
            await database.ExecuteAsync($"DROP PROCEDURE {name}");
        }

        var settings = database.Settings;
        await using var instance = await Rig.StartAsync(settings, waitFor: "/livez");
        await Eventually.TrueAsync(
            () => instance.Process.Output.Any(line => line.Contains("procedure", StringComparison.Ordinal)));
        (await instance.Api.GetAsync("/readyz")).Expect(503);

        await Rig.RunAsync(["migrate"], settings);

        await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), ready => ready.Status == 200);
    }

    [Test]
    public async Task Roles_WorkerAlone_ServesNoApiButSweeps()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Roles"] = "api" });
        var show = await alone.Catalogue.AddShowAsync();
        var overdue = await (await Rig.NewVisitor(alone).AdmittedAsync(show)).HeldAsync(show);
        await alone.Database.LetHoldPassAsync(overdue);

        await using var worker = await Rig.StartAsync(new Dictionary<string, string?>
        {
            [MySqlServers.Setting] = alone.Database.ConnectionString,
            ["Roles"] = "worker",
        });

        (await worker.Api.GetAsync("/v1/concerts")).ExpectProblem(404, "not_found");
        await Eventually.GetAsync(() => alone.Database.StatusAsync(overdue), status => status == "EXPIRED");
    }
}
