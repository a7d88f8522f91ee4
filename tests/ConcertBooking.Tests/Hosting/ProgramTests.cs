using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Hosting;

/// <summary>The program's commands, and what it says when it cannot start.</summary>
public sealed class ProgramTests : SharedRigTests
{
    private const string Secret = "tell-nobody-of-this";

    [Test]
    [Arguments("--help")]
    public async Task Help_Always_NamesEveryCommand(string argument)
    {
        var result = await Rig.RunAsync([argument]);

        await Assert.That(result.ExitCode).IsEqualTo(0);
        foreach (var command in (string[])["migrate", "seed", "--concerts", "token", "--role", "healthcheck", "verify", "--version"])
        {
            await Assert.That(result.Output).Contains(command);
        }

        await Assert.That(result.Error).IsEmpty();
    }

    [Test]
    public async Task Version_Always_IsOneVersion()
    {
        var result = await Rig.RunAsync(["--version"]);

        await Assert.That(result.ExitCode).IsEqualTo(0);
        await Assert.That(result.Output.Trim()).Matches(@"^\d+\.\d+\.\d+\S*$");
    }

    [Test]
    [Arguments("serve-me")]
    [Arguments("--unknown")]
    public async Task Command_Unknown_IsRefusedByName(string command) =>
        await ExpectOneLineAsync(await Rig.RunAsync([command]), command);

    [Test]
    public async Task Help_WithoutAnySetting_Works()
    {
        var none = Rig.Settings.Keys.ToDictionary(name => name, _ => (string?)null);

        await Assert.That((await Rig.RunAsync(["--help"], none)).ExitCode).IsEqualTo(0);
        await Assert.That((await Rig.RunAsync(["--version"], none)).ExitCode).IsEqualTo(0);
    }

    /// <summary>Images set the ports; a service that listens on them has nothing to warn of.</summary>
    [Test]
    public async Task Start_WithPortsOfTheImage_WarnsOfNothing()
    {
        await using var service = await Rig.StartAsync(new Dictionary<string, string?> { ["ASPNETCORE_HTTP_PORTS"] = "8080" });

        await Assert.That(service.Process.Output.Where(static line => line.Contains("Overriding", StringComparison.Ordinal))).IsEmpty();
    }

    /// <summary>
    /// A host has few inotify instances: a service that wants one does not start where they are used up, and it would be woken by
    /// every file that anybody writes below its folder.
    /// </summary>
    [Test]
    public async Task Start_Always_WatchesNoFiles()
    {
        var files = new DirectoryInfo($"/proc/{Rig.A.Process.ProcessId}/fd").GetFileSystemInfos().Select(static file => file.LinkTarget);

        await Assert.That(files).Contains(static file => file?.StartsWith("socket:", StringComparison.Ordinal) is true)
            .And.DoesNotContain(static file => file?.Contains("inotify", StringComparison.Ordinal) is true);
    }

    [Test]
    [Arguments("ConnectionStrings__MySql", null)]
    [Arguments("ConnectionStrings__MySql", "")]
    [Arguments("ConnectionStrings__MySql", Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Database=booking;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Port=many;Database=booking;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Database=booking;Colour=blue;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Database=booking;MinimumPoolSize=5;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Database=booking;Max Pool Size=100;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Database=booking;Pooling=false;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Database=booking;Old Guids=true;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Database=booking;NoBackslashEscapes=true;Password=" + Secret)]
    [Arguments("ConnectionStrings__MySql", "Server=localhost;Database=booking;ConvertZeroDateTime=true;Password=" + Secret)]
    [Arguments("ConnectionStrings__Redis", null)]
    [Arguments("ConnectionStrings__Redis", "")]
    [Arguments("ConnectionStrings__Redis", "password=" + Secret)]
    [Arguments("ConnectionStrings__Redis", "localhost:6379,ssl=perhaps,password=" + Secret)]
    [Arguments("ConnectionStrings__Redis", "localhost:6379,colour=blue,password=" + Secret)]
    [Arguments("Redis__KeyPrefix", "one{two}")]
    [Arguments("Redis__KeyPrefix", "with a space")]
    [Arguments("Auth__SigningKey", null)]
    [Arguments("Auth__SigningKey", "")]
    [Arguments("Auth__SigningKey", Secret)]
    [Arguments("Auth__Authority", "not an address")]
    [Arguments("Auth__Authority", "ftp://issuer.example")]
    [Arguments("Auth__Authority", "http://issuer.example")]
    [Arguments("Auth__PreviousSigningKey", Secret)]
    [Arguments("QueueToken__PreviousSigningKey", Secret)]
    [Arguments("Cors__AllowedOrigins", "https://shop.example/path")]
    [Arguments("Cors__AllowedOrigins", "*")]
    [Arguments("ForwardedHeaders__KnownProxies", "proxy.example")]
    [Arguments("Limits__MaxConnections", "0")]
    [Arguments("QueueToken__SigningKey", null)]
    [Arguments("QueueToken__SigningKey", Secret)]
    [Arguments("Management__Port", "many")]
    [Arguments("Management__Port", "0")]
    [Arguments("Management__Port", "65536")]
    [Arguments("ASPNETCORE_URLS", "nonsense")]
    [Arguments("ASPNETCORE_URLS", "ftp://127.0.0.1:8080")]
    [Arguments("ASPNETCORE_URLS", "http://127.0.0.1:99999")]
    [Arguments("ASPNETCORE_URLS", "http://localhost:0")]
    [Arguments("ASPNETCORE_URLS", "http://127.0.0.1:20002/base")]
    [Arguments("ASPNETCORE_URLS", "http://unix:/tmp/booking.sock")]
    [Arguments("ASPNETCORE_URLS", "http://127.0.0.1:20002;http://127.0.0.1:20002")]
    [Arguments("ASPNETCORE_HTTP_PORTS", "0")]
    [Arguments("ASPNETCORE_HTTP_PORTS", "many")]
    [Arguments("ASPNETCORE_HTTP_PORTS", "65536")]
    [Arguments("Queue__MaxActive", "0")]
    [Arguments("Queue__MaxActive", "-1")]
    [Arguments("Queue__MaxActive", "many")]
    [Arguments("Queue__MaxActive", "1.5")]
    [Arguments("Queue__ActiveSeconds", "0")]
    [Arguments("Queue__ActiveSeconds", "long")]
    [Arguments("Queue__IdleSeconds", "0")]
    [Arguments("Queue__MaxWaiting", "-5")]
    [Arguments("Holds__Seconds", "0")]
    [Arguments("Holds__Seconds", "5 minutes")]
    [Arguments("Holds__MaxPerUser", "0")]
    [Arguments("Purchases__MaxPerUser", "-1")]
    [Arguments("Drain__Seconds", "-1")]
    [Arguments("Drain__Seconds", "301")]
    [Arguments("Drain__Seconds", "2.5")]
    [Arguments("Drain__Seconds", "soon")]
    [Arguments("Database__MaxPoolSize", "0")]
    [Arguments("Database__MaxPoolSize", "99999999999")]
    [Arguments("Notifications__WebhookUrl", "not an address")]
    [Arguments("ConnectionStrings__Kafka", ",")]
    [Arguments("ConnectionStrings__Kafka", "http://localhost:9092")]
    [Arguments("ConnectionStrings__Kafka", "localhost:99999")]
    [Arguments("Points__SelfCharge", "perhaps")]
    [Arguments("Logging__LogLevel__Default", "loud")]
    [Arguments("Logging__LogLevel__Microsoft", "loud")]
    [Arguments("Logging__Console__LogLevel__Default", "loud")]
    [Arguments("Roles", "cook")]
    [Arguments("Roles", "api,cook")]
    [Arguments("Roles", ",")]
    public async Task Start_SettingMissingOrMalformed_StopsNamingIt(string name, string? value)
    {
        var result = await Rig.RunAsync([], OnFreePorts(new() { [name] = value }));

        await ExpectOneLineAsync(result, name);
    }

    /// <summary>Else every token that the issuer signs, for whichever service, would open this one.</summary>
    [Test]
    public async Task Start_AuthorityWithoutAudience_StopsNamingIt() => await ExpectOneLineAsync(
        await Rig.RunAsync([], OnFreePorts(new() { ["Auth__Authority"] = "https://127.0.0.1:1", ["Auth__SigningKey"] = null })),
        "Auth__Audience");

    /// <summary>They are the last to be checked. Redis is out of reach, which a start that stops must not get to say.</summary>
    [Test]
    [Arguments("OTEL_EXPORTER_OTLP_HEADERS", "no header")]
    [Arguments("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem")]
    public async Task Start_SettingOfTheTracesMalformed_StopsNamingIt(string name, string value)
    {
        var result = await Rig.RunAsync([], OnFreePorts(new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "https://127.0.0.1:1",
            ["ConnectionStrings__Redis"] = "127.0.0.1:1",
            [name] = value,
        }));

        await ExpectOneLineAsync(result, name);
    }

    [Test]
    public async Task Start_ManagementPortIsTheApiPort_StopsNamingIt()
    {
        var port = Ports.Take();

        var result = await Rig.RunAsync([], new Dictionary<string, string?>
        {
            ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{port}",
            ["Management__Port"] = $"{port}",
        });

        await ExpectOneLineAsync(result, "Management__Port");
    }

    [Test]
    [Arguments("migrate", "ConnectionStrings__MySql")]
    [Arguments("seed", "ConnectionStrings__MySql")]
    [Arguments("verify", "ConnectionStrings__MySql")]
    [Arguments("verify", "ConnectionStrings__Redis")]
    public async Task Command_SettingMissing_StopsNamingIt(string command, string name) =>
        await ExpectOneLineAsync(await Rig.RunAsync([command], new Dictionary<string, string?> { [name] = null }), name);

    [Test]
    [Arguments("migrate")]
    [Arguments("seed")]
    [Arguments("verify")]
    public async Task Command_NoMySqlThere_FailsInOneLine(string command)
    {
        var nowhere = $"Server=127.0.0.1;Port={Ports.Take()};Database=booking;User ID=root;Password={Secret}";

        var result = await Rig.RunAsync([command], new Dictionary<string, string?> { [MySqlServers.Setting] = nowhere });

        await ExpectOneLineAsync(result, "");
    }

    [Test]
    public async Task Migrate_Twice_ChangesNothingTheSecondTime()
    {
        var database = await Rig.AddDatabaseAsync(migrate: false);

        var first = await MigrateAsync(database);
        var tables = await database.ColumnAsync<string>(TablesSql);
        var second = await MigrateAsync(database);

        await Assert.That(first.ExitCode).IsEqualTo(0).Because(first.Error);
        await Assert.That(second.ExitCode).IsEqualTo(0).Because(second.Error);
        await Assert.That(await database.ColumnAsync<string>(TablesSql)).IsEquivalentTo(tables);
        foreach (var table in (string[])
            ["user_point_balance", "point_tx", "concert", "concert_schedule", "seat", "reservation", "payment", "outbox", "idempotency",
                "queue"])
        {
            await Assert.That(tables).Contains(table);
        }
    }

    [Test]
    public async Task Migrate_FourAtOnce_AllSucceed()
    {
        var database = await Rig.AddDatabaseAsync(migrate: false);

        var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => MigrateAsync(database)));

        foreach (var result in results)
        {
            await Assert.That(result.ExitCode).IsEqualTo(0).Because(result.Output + result.Error);
        }

        await Assert.That(await database.ScalarAsync<long>("SELECT COUNT(*) FROM queue WHERE queue_name = 'main'")).IsEqualTo(1);
    }

    [Test]
    public async Task Seed_WithoutArguments_AddsTheDemo()
    {
        var database = await Rig.AddDatabaseAsync();

        var result = await Rig.RunAsync(["seed"], database.Settings);

        await Assert.That(result.ExitCode).IsEqualTo(0).Because(result.Error);
        await Assert.That(await database.ScalarAsync<long>("SELECT COUNT(*) FROM concert")).IsEqualTo(4);
        await Assert.That(
            await database.ScalarAsync<long>(
                "SELECT COUNT(*) FROM concert_schedule WHERE starts_at > NOW() AND seat_count = 50")).IsEqualTo(15);
        await Assert.That(await database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM seat JOIN concert_schedule USING (schedule_id) WHERE hall_id IS NULL")).IsEqualTo(750);
        await Assert.That(await database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM seat JOIN concert_schedule USING (schedule_id) JOIN hall USING (hall_id)")).IsEqualTo(916);
        await Assert.That(await database.ScalarAsync<long>("SELECT COUNT(DISTINCT grade) FROM hall_seat")).IsEqualTo(4);
        await Assert.That(await database.ScalarAsync<long>(
            "SELECT MIN(p.price) - MIN(s.price) FROM schedule_price p JOIN concert_schedule s USING (schedule_id)")).IsEqualTo(0);
    }

    [Test]
    public async Task Seed_WithArguments_AddsAsMany()
    {
        var database = await Rig.AddDatabaseAsync();

        var result = await Rig.RunAsync(["seed", "--concerts", "1", "--schedules", "2", "--seats", "7"], database.Settings);

        await Assert.That(result.ExitCode).IsEqualTo(0).Because(result.Error);
        await Assert.That(await database.ScalarAsync<long>("SELECT COUNT(*) FROM concert")).IsEqualTo(1);
        await Assert.That(await database.ScalarAsync<long>("SELECT COUNT(*) FROM concert_schedule")).IsEqualTo(2);
        await Assert.That(await database.ScalarAsync<long>("SELECT COUNT(*) FROM seat")).IsEqualTo(14);
    }

    [Test]
    [Arguments("--concerts", "0")]
    [Arguments("--concerts", "many")]
    [Arguments("--seats", "100001")]
    [Arguments("--colour", "1")]
    public async Task Seed_WrongArguments_IsRefused(string option, string value)
    {
        var database = await Rig.AddDatabaseAsync();

        await ExpectOneLineAsync(await Rig.RunAsync(["seed", option, value], database.Settings), "seed");

        await Assert.That(await database.ScalarAsync<long>("SELECT COUNT(*) FROM concert")).IsEqualTo(0);
    }

    [Test]
    public async Task SignIn_InProduction_Is404() =>
        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/dev/sign-in", """{"userId":7}""")).ExpectProblem(404, "not_found");

    [Test]
    public async Task SignIn_InDevelopment_GivesTokensThatWork()
    {
        await using var instance = await Rig.StartAsync(new Dictionary<string, string?>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
            ["Auth__SigningKey"] = null,
            ["QueueToken__SigningKey"] = null,
        });
        async Task<Visitor> SignInAsync(string body, long userId) => new(
            instance.Api, userId,
            (await instance.Api.SendAsync(HttpMethod.Post, "/dev/sign-in", body))
                .Expect(200).ExpectMembers("accessToken").Value("accessToken"));
        var userId = UserIds.Next();
        var visitor = await SignInAsync($$"""{"userId":{{userId}}}""", userId);
        var admin = await SignInAsync($$"""{"userId":{{userId}},"admin":true}""", userId);

        (await visitor.ChargeAsync(5)).Expect(201);
        await Assert.That(await admin.BalanceAsync()).IsEqualTo(5);
        (await visitor.GetAsync("/v1/admin/queues/main")).ExpectProblem(403, "forbidden");
        (await admin.GetAsync("/v1/admin/queues/main")).Expect(200);
        await visitor.EnteredAsync("main");
        (await visitor.LeaveAsync()).Expect(204);
        (await instance.Api.SendAsync(HttpMethod.Post, "/dev/sign-in", """{"userId":0}""")).ExpectInvalid("userId");
        (await instance.Api.SendAsync(HttpMethod.Post, "/dev/sign-in", "{}")).ExpectInvalid();
    }

    private const string TablesSql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";

    private Task<ServiceResult> MigrateAsync(Database database) => Rig.RunAsync(["migrate"], database.Settings);


    /// <summary>A service that starts although it should not must at least be in nobody's way.</summary>
    internal static Dictionary<string, string?> OnFreePorts(Dictionary<string, string?> changes)
    {
        if (!changes.ContainsKey("ASPNETCORE_HTTP_PORTS"))
        {
            changes.TryAdd("ASPNETCORE_URLS", $"http://127.0.0.1:{Ports.Take()}");
        }

        changes.TryAdd("Management__Port", $"{Ports.Take()}");
        return changes;
    }

    internal static async Task ExpectOneLineAsync(ServiceResult result, string name)
    {
        await Assert.That(result.ExitCode).IsNotEqualTo(0);
        await Assert.That(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Count().IsEqualTo(1).Because(result.Error);
        await Assert.That(result.Error).Contains(name);
        await Assert.That(result.Error + result.Output).DoesNotContain(Secret);
        await Assert.That(result.Output).IsEmpty();
    }
}
