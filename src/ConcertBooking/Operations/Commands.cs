using ConcertBooking.Infrastructure;

namespace ConcertBooking.Operations;

/// <summary>What the commands besides serving share.</summary>
internal static class Commands
{
    /// <summary>The same sources, under the same names, as the service reads.</summary>
    public static IConfiguration Configuration() => WebApplication.CreateSlimBuilder().Configuration;
}

/// <summary>Brings the schema up to date.</summary>
internal static class Migrate
{
    public static async Task<int> RunAsync(IConfiguration configuration)
    {
        var applied = await Migrations.ApplyAsync(Settings.LoadMySql(configuration), Console.WriteLine, CancellationToken.None);
        Console.WriteLine(applied == 0 ? $"schema is at {Migrations.Latest}, nothing to do" : $"schema is at {Migrations.Latest}");
        return 0;
    }
}

/// <summary>Asks the service on this machine whether it lives; for a container without a shell.</summary>
internal static class HealthCheck
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    public static async Task<int> RunAsync(IConfiguration configuration)
    {
        // The management address serves livez whatever the role, and no proxy stands before this machine.
        var management = ListenAddresses.Load(configuration)[^1];
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Limit };
        try
        {
            using var answer = await http.GetAsync(new Uri(management.Reachable, "livez"));
            return answer.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
        {
            Console.Error.WriteLine($"concert-booking: {exception.Message}");
            return 1;
        }
    }
}
