using System.Diagnostics;
using System.Globalization;
using ConcertBooking.Servers;
using MySqlConnector;

namespace ConcertBooking.DevHost;

/// <summary>A problem that the user must fix; the message says how, in one sentence.</summary>
internal sealed class HostException(string message) : Exception(message);

/// <summary>The development host: starts servers, schema, demo data and the service, and stops them in order.</summary>
internal sealed class Host(Screen screen)
{
    public const string Help = """
        dotnet run --project src/ConcertBooking.DevHost [-- --demo] [-- --fresh]
        dotnet run --project src/ConcertBooking.DevHost -- --crowd N [--seconds 60] [--at http://localhost:3001]

        Finds or starts MySQL, Redis and Kafka, brings the schema up to date, seeds demo concerts
        and runs the service on http://localhost:3001 until Ctrl-C.

          --demo     walk the booking journey against it, print every request and answer, and end
                     with exit code 0 only when the seat is CONFIRMED
          --fresh    delete the data of earlier runs first (.data and its Docker volumes)
          --crowd N  join the service that runs already, in another terminal: N simulated buyers
                     (1 to 5,000) stand in line, choose, hold and pay for a minute. For fewer than ten
                     times the places of the queue it has fewer places meanwhile, so that there
                     is a line; Ctrl-C sends the buyers away and puts its size back
          --seconds  how long they stay at most, 10 to 600; they take their time accordingly
          --at       where the service is; it must run in Development
          --help     this text

        Servers, in this order: named by ConnectionStrings__MySql, ConnectionStrings__Redis,
        ConnectionStrings__Kafka; Docker containers; programs on this machine, installed with
        apt-get when root on Debian or Ubuntu. CONCERT_BOOKING_SERVERS=containers|local forces a
        way, CONCERT_BOOKING_MYSQLD names the mysqld or mariadbd to run, CONCERT_BOOKING_BINARY
        the service's program.
        """;

    private const string FrameworkLogLevel = "Logging__LogLevel__Microsoft.AspNetCore";
    public const int Port = 3001;
    private const int ManagementPort = 3081;

    // The service itself stops within 10 s.
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(15);

    public async Task<int> RunAsync(bool demo, bool fresh, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var port in (int[])[Port, ManagementPort])
            {
                if (!Ports.IsFree(port))
                {
                    throw new HostException($"Port {port} is in use; stop what listens there (another DevHost?) and start again.");
                }
            }

            using var data = DataFolder.Open();
            if (fresh)
            {
                await data.ClearAsync(screen, cancellationToken);
            }

            return await RunAsync(data, demo, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            screen.Write("Stopped before it was ready.");
            return 130;
        }
        catch (Exception exception) when (exception is HostException or ServerNotFoundException or InvalidOperationException
            or IOException or UnauthorizedAccessException)
        {
            screen.Write(exception.Message);
            return 1;
        }
    }

    private async Task<int> RunAsync(DataFolder data, bool demo, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        screen.Write("Servers");
        await using var servers = await ServerSet.FindAsync(
            new ServerOptions { DataDirectory = data.Path }, screen, cancellationToken);

        var settings = servers.Settings;
        settings["ASPNETCORE_ENVIRONMENT"] = "Development";
        settings["ASPNETCORE_URLS"] = $"http://127.0.0.1:{Port}";
        settings["Management__Port"] = ManagementPort.ToString(CultureInfo.InvariantCulture);
        // The framework's lines for every request would hide the service's own; the variable enables them.
        if (Environment.GetEnvironmentVariable(FrameworkLogLevel) is null)
        {
            settings[FrameworkLogLevel] = "Warning";
        }

        screen.Write("Database");
        await RunToEndAsync("migrate", settings, cancellationToken);
        if (await HasNoConcertsAsync(servers.MySql.ConnectionString, cancellationToken))
        {
            await RunToEndAsync("seed", settings, cancellationToken);
        }

        screen.Write("Service");
        await using var service = await ServiceProcess.StartAsync(
            settings, onLine: demo ? null : line => screen.Write($"  | {line}"), cancellationToken: cancellationToken);
        screen.Report($"ready after {watch.Elapsed.TotalSeconds:0.0} s (process {service.ProcessId}, {ServiceProcess.BinaryPath})");

        try
        {
            return demo
                ? await DemoAsync(service, cancellationToken)
                : await ServeAsync(service, cancellationToken);
        }
        finally
        {
            screen.Write("Stopping");
            await service.StopAsync(StopTimeout, CancellationToken.None);
        }
    }

    private async Task<int> ServeAsync(ServiceProcess service, CancellationToken cancellationToken)
    {
        var seat = await new Journey(service.Address, screen).FindSeatAsync(cancellationToken);
        screen.Write(Guide.Text(Port, ManagementPort, seat));
        try
        {
            var exitCode = await service.WaitForExitAsync(cancellationToken);
            throw new HostException($"The service ended unexpectedly with exit code {exitCode}.");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return 0;
        }
    }

    private async Task<int> DemoAsync(ServiceProcess service, CancellationToken cancellationToken)
    {
        try
        {
            await new Journey(service.Address, screen).WalkAsync(cancellationToken);
            screen.Write("CONFIRMED");
            return 0;
        }
        catch (Exception exception) when (exception is HostException or HttpRequestException)
        {
            screen.Write($"The journey failed: {exception.Message}\nThe service's last lines:");
            foreach (var line in service.Output.TakeLast(30))
            {
                screen.Write($"  | {line}");
            }

            return 1;
        }
    }

    private async Task RunToEndAsync(string subcommand, Dictionary<string, string?> settings, CancellationToken cancellationToken)
    {
        screen.Report($"concert-booking {subcommand}");
        var result = await ServiceProcess.RunAsync([subcommand], settings, line => screen.Write($"  | {line}"), cancellationToken);
        if (result.ExitCode != 0)
        {
            throw new HostException($"concert-booking {subcommand} ended with exit code {result.ExitCode}.");
        }
    }

    private static async Task<bool> HasNoConcertsAsync(string connectionString, CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(connectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand("SELECT EXISTS (SELECT 1 FROM concert)", connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture) == 0;
    }
}
