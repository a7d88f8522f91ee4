namespace ConcertBooking.Servers;

/// <summary>The sources of one kind of server; one that is not available on this machine returns null.</summary>
internal sealed record ServerSources(
    string Name,
    string Setting,
    Func<string, CancellationToken, Task<Server>> UseNamed,
    Func<CancellationToken, Task<Server?>> StartContainer,
    Func<CancellationToken, Task<Server?>> StartLocal,
    string Advice)
{
    /// <summary>A local program was configured, so Docker is not used.</summary>
    public bool LocalOnly { get; init; }

    /// <summary>The local source always works, so a missing image is no failure even when containers were requested.</summary>
    public bool AlwaysStartsLocally { get; init; }
}

/// <summary>Tries the sources of a server in order: named in the environment, containers, programs on this machine.</summary>
internal static class ServerFinder
{
    /// <summary>Environment variable that forces a source: <c>containers</c> or <c>local</c>.</summary>
    public const string SourceSetting = "CONCERT_BOOKING_SERVERS";

    public static async Task<Server> FindAsync(
        ServerSources sources, ServerOptions options, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (options.AllowNamed && Environment.GetEnvironmentVariable(sources.Setting) is { Length: > 0 } named)
        {
            return Report(progress, sources, await sources.UseNamed(named, cancellationToken));
        }

        var forced = Environment.GetEnvironmentVariable(SourceSetting);
        if (forced is not (null or "" or "containers" or "local"))
        {
            throw new ServerNotFoundException($"{SourceSetting} is \"{forced}\" but must be \"containers\" or \"local\", or not set.");
        }

        if (forced != "local" && !sources.LocalOnly)
        {
            if (await sources.StartContainer(cancellationToken) is { } container)
            {
                return Report(progress, sources, container);
            }

            if (forced == "containers" && !sources.AlwaysStartsLocally)
            {
                throw new ServerNotFoundException(
                    $"{SourceSetting} asks for containers, but {sources.Name} could not be started in one: "
                    + "is a Docker engine running, with its images?");
            }
        }

        return Report(progress, sources, await sources.StartLocal(cancellationToken) ?? throw new ServerNotFoundException(sources.Advice));
    }

    private static Server Report(IProgress<string>? progress, ServerSources sources, Server server)
    {
        progress?.Report($"{sources.Name}: {server.Description}");
        return server;
    }
}
