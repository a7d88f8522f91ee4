using System.Net;
using System.Net.Sockets;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Hosting;

/// <summary>Where the service listens: how <c>healthcheck</c> finds it, and what is said when it cannot.</summary>
public sealed class ListeningTests : SharedRigTests
{
    [Test]
    public async Task HealthCheck_ServiceLives_Ends0()
    {
        var settings = new Dictionary<string, string?> { ["Management__Port"] = $"{Rig.A.Management.Address.Port}" };

        await Assert.That((await Rig.RunAsync(["healthcheck"], settings)).ExitCode).IsEqualTo(0);
    }

    [Test]
    public async Task HealthCheck_NoService_Ends1()
    {
        var result = await Rig.RunAsync(["healthcheck"], new Dictionary<string, string?> { ["Management__Port"] = $"{Ports.Take()}" });

        await Assert.That(result.ExitCode).IsEqualTo(1);
    }

    [Test]
    public async Task HealthCheck_ListeningOnAnotherAddress_Ends0()
    {
        foreach (var host in (string[])["127.0.0.2", "[::1]", "localhost", "*"])
        {
            if (host == "[::1]" && !Socket.OSSupportsIPv6)
            {
                continue;
            }

            var where = At(host);
            await using var service = StartAt(where);

            await Eventually.GetAsync(() => Rig.RunAsync(["healthcheck"], where), static result => result.ExitCode == 0, what: host);
        }
    }

    [Test]
    [Arguments("Management__Port", "many")]
    [Arguments("ASPNETCORE_URLS", "nonsense")]
    public async Task HealthCheck_SettingMalformed_StopsNamingIt(string name, string value) =>
        await ProgramTests.ExpectOneLineAsync(
            await Rig.RunAsync(["healthcheck"], new Dictionary<string, string?> { [name] = value }), name);

    [Test]
    [Arguments("127.0.0.1")]
    [Arguments("localhost")]
    [Arguments("*")]
    public async Task Start_PortInUse_StopsNamingItsSetting(string host)
    {
        using var taken = new TcpListener(IPAddress.Loopback, Ports.Take());
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        await ExpectRefusedAsync(At(host, port), "ASPNETCORE_URLS", $"{port}");
        await ExpectRefusedAsync(At(host, management: port), "Management__Port", $"{port}");
    }

    [Test]
    public async Task Start_PortOfTheImageInUse_StopsNamingItsSetting()
    {
        using var taken = new TcpListener(IPAddress.Loopback, Ports.Take());
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        await ExpectRefusedAsync(
            new() { ["ASPNETCORE_URLS"] = null, ["ASPNETCORE_HTTP_PORTS"] = $"{port}", ["Management__Port"] = $"{Ports.Take()}" },
            "ASPNETCORE_HTTP_PORTS", $"{port}");
    }

    /// <summary>Addresses of documentation (RFC 5737, RFC 3849), which no machine has.</summary>
    [Test]
    [Arguments("192.0.2.1")]
    [Arguments("[2001:db8::1]")]
    public async Task Start_AddressNotOfThisMachine_StopsNamingItsSetting(string host) =>
        await ExpectRefusedAsync(At(host), "ASPNETCORE_URLS", host);

    /// <summary>At the limit the runtime would end the process.</summary>
    [Test]
    public async Task Start_FewerOpenFilesThanConnections_SaysSoAndTakesAsManyAsFit()
    {
        const int Files = 700, Pool = 30, Others = 400, AtOnce = 50;
        var where = At("127.0.0.1");
        await using var service = StartAt(where, "/bin/sh", "-c", $"ulimit -n {Files}; exec \"$0\"", ServiceProcess.BinaryPath);
        var (api, management) = (new Uri(where["ASPNETCORE_URLS"]!), new Api(new Uri($"http://127.0.0.1:{where["Management__Port"]}")));

        await Eventually.TrueAsync(
            () => service.Log.Lines().Any(static line => line.Contains("Limits__MaxConnections", StringComparison.Ordinal)
                && line.Contains($"ulimit -n) is {Files}", StringComparison.Ordinal)));
        await Eventually.TrueAsync(
            () => service.Log.Lines().Any(static line => line.Contains("Application started", StringComparison.Ordinal)));
        var (clients, most) = (new List<TcpClient>(), 0);
        try
        {
            for (var i = 0; i < Files; i += AtOnce)
            {
                var more = Enumerable.Range(0, AtOnce).Select(static _ => new TcpClient()).ToList();
                clients.AddRange(more);
                await Task.WhenAll(more.Select(client => client.ConnectAsync(IPAddress.Loopback, api.Port)));
                // One that is refused counts until it is closed, and one that says nothing is closed after some seconds.
                var open = await Eventually.GetAsync(() => Task.FromResult(OpenFiles(service)), static open => open < Files - (Others / 2));
                most = Math.Max(most, open);
            }

            // A client is connected before the service has accepted it.
            await Eventually.TrueAsync(() => (most = Math.Max(most, OpenFiles(service))) > Files - Pool - Others);
            (await management.GetAsync("/livez")).Expect(200);
        }
        finally
        {
            clients.ForEach(static client => client.Dispose());
        }
    }

    private static int OpenFiles(ChildProcess service) => Directory.EnumerateFileSystemEntries($"/proc/{service.Id}/fd").Count();

    private static Dictionary<string, string?> At(string host, int? port = null, int? management = null) => new()
    {
        ["ASPNETCORE_HTTP_PORTS"] = null,
        ["ASPNETCORE_URLS"] = $"http://{host}:{port ?? Ports.Take()}",
        ["Management__Port"] = $"{management ?? Ports.Take()}",
    };

    /// <summary>A service where the rig's own way to start one would not find it.</summary>
    private ChildProcess StartAt(Dictionary<string, string?> where, string? program = null, params string[] arguments)
    {
        var settings = Rig.Settings;
        foreach (var (name, value) in where)
        {
            settings[name] = value;
        }

        return ChildProcess.Start(program ?? ServiceProcess.BinaryPath, arguments, settings);
    }

    private async Task ExpectRefusedAsync(Dictionary<string, string?> where, string setting, string named)
    {
        var result = await Rig.RunAsync([], where);

        await ProgramTests.ExpectOneLineAsync(result, setting);
        await Assert.That(result.Error).Contains(named);
    }
}
