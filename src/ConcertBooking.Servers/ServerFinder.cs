namespace ConcertBooking.Servers;

/// <summary>The ways to one kind of server; a way that is closed on this machine answers null.</summary>
internal sealed record ServerWays(
    string Name,
    string Setting,
    Func<string, CancellationToken, Task<Server>> UseNamed,
    Func<CancellationToken, Task<Server?>> StartContainer,
    Func<CancellationToken, Task<Server?>> StartLocal,
    string Advice)
{
    /// <summary>A program was named for the local way, so Docker is not asked.</summary>
    public bool LocalOnly { get; init; }

    /// <summary>The local way always works, so a missing image is no reason to give up even when containers were asked for.</summary>
    public bool HasSubstitute { get; init; }
}

/// <summary>The order in which servers are looked for: named in the environment, containers, programs on this machine.</summary>
internal static class ServerFinder
{
    /// <summary>Environment variable that forces a way: <c>containers</c> or <c>local</c>.</summary>
    public const string WaySetting = "CONCERT_BOOKING_SERVERS";

    public static async Task<Server> FindAsync(
        ServerWays ways, ServerOptions options, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (options.AllowNamed && Environment.GetEnvironmentVariable(ways.Setting) is { Length: > 0 } named)
        {
            return Report(progress, ways, await ways.UseNamed(named, cancellationToken));
        }

        var forced = Environment.GetEnvironmentVariable(WaySetting);
        if (forced is not (null or "" or "containers" or "local"))
        {
            throw new ServerNotFoundException($"{WaySetting} is \"{forced}\" but must be \"containers\" or \"local\", or not set.");
        }

        if (forced != "local" && !ways.LocalOnly)
        {
            if (await ways.StartContainer(cancellationToken) is { } container)
            {
                return Report(progress, ways, container);
            }

            if (forced == "containers" && !ways.HasSubstitute)
            {
                throw new ServerNotFoundException(
                    $"{WaySetting} asks for containers, but {ways.Name} could not be started in one: "
                    + "is a Docker engine running, with its images?");
            }
        }

        return Report(progress, ways, await ways.StartLocal(cancellationToken) ?? throw new ServerNotFoundException(ways.Advice));
    }

    private static Server Report(IProgress<string>? progress, ServerWays ways, Server server)
    {
        progress?.Report($"{ways.Name}: {server.Description}");
        return server;
    }
}
