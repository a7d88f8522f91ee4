using System.Net.Sockets;
using System.Reflection;
using ConcertBooking.Commands;
using Dapper;
using MySqlConnector;

[module: DapperAot]

const string Usage = """
    concert-booking [command]

      (none)       serve; Roles=api,worker chooses what
      migrate      bring the schema up to date and exit; --prune drops the procedures of other builds
      seed         add demo concerts: --concerts 3 --schedules 5 --seats 50; without these also one in a hall
      token        sign an access token with Auth__SigningKey: --user 1 --role admin|cashier --minutes 30
      healthcheck  ask /livez of the service on this machine; exit 0 or 1
      verify       check the invariants in MySQL and Redis; exit 0 or 1
      --help, --version

    Settings are environment variables; see docs/settings.md.
    """;

var rest = args.Skip(1).ToArray();

// A builder otherwise watches the folder it is started in, and all below it, for a changed appsettings.json: that takes one of the
// few inotify instances of a host, without one there is no start, and every file that anybody writes there costs the service time.
static WebApplicationBuilder Builder() => WebApplication.CreateSlimBuilder(["--hostBuilder:reloadConfigOnChange=false"]);

// The commands read the same sources, under the same names, as the service.
static IConfiguration Configuration() => Builder().Configuration;

try
{
    switch (args.FirstOrDefault())
    {
        case null:
            StartGarbage.Keep();
            return await Serve.RunAsync(Builder());
        case "migrate":
            return await Migrate.RunAsync(Configuration(), rest);
        case "seed":
            return await Seed.RunAsync(Configuration(), rest);
        case "token":
            return SignToken.Run(Configuration(), rest);
        case "healthcheck":
            return await HealthCheck.RunAsync(Configuration());
        case "verify":
            return await Verify.RunAsync(Configuration());
        case "--help" or "-h" or "help":
            Console.WriteLine(Usage);
            return 0;
        case "--version":
            Console.WriteLine(typeof(Serve).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion);
            return 0;
        case var unknown:
            Console.Error.WriteLine($"concert-booking: no command '{unknown}'; see concert-booking --help");
            return 2;
    }
}
catch (SettingException problem)
{
    Console.Error.WriteLine($"concert-booking: {problem.Message}");
    return 1;
}
catch (Exception problem) when (problem is MySqlException or InvalidOperationException or IOException or SocketException)
{
    Console.Error.WriteLine($"concert-booking: {problem.Message}");
    return 1;
}
