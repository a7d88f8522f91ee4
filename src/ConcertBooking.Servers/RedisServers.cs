using System.Net.Sockets;
using StackExchange.Redis;

namespace ConcertBooking.Servers;

/// <summary>Finds or starts a Redis.</summary>
internal static class RedisServers
{
    /// <summary>The connection setting that names a server.</summary>
    public const string Setting = "ConnectionStrings__Redis";

    private const string Image = "redis:8.0";

    /// <inheritdoc cref="ServerSet.FindAsync"/>
    public static Task<Server> StartAsync(
        ServerOptions options, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        var sources = new ServerSources(
            "Redis",
            Setting,
            UseNamedAsync,
            token => ContainerServer.TryStartAsync(
                Image,
                port => new ContainerPlan(
                    "Redis",
                    Containers.Redis(Image, port, options, Durability(options)),
                    $"{ContainerServer.Host}:{port}",
                    next => ProbeAsync(port, next))
                { Volume = Containers.VolumeName(options, Containers.RedisVolume) },
                progress,
                token),
            token => StartLocalAsync(options, progress, token),
            $"No Redis: start Docker, or install redis-server{Apt.Hint(Apt.Redis)}, or name a server in {Setting}.")
        {
            LocalOnly = options.TlsFolder is not null,
        };
        return ServerFinder.FindAsync(sources, options, progress, cancellationToken);
    }

    private static async Task<Server> UseNamedAsync(string connectionString, CancellationToken cancellationToken)
    {
        try
        {
            var settings = ConfigurationOptions.Parse(connectionString);
            settings.AbortOnConnectFail = true;
            await using var redis = await ConnectionMultiplexer.ConnectAsync(settings)
                .WaitAsync(TimeSpan.FromSeconds(15), cancellationToken);
            await redis.GetDatabase().PingAsync();
            var version = redis.GetServers().FirstOrDefault(server => server.IsConnected)?.Version;
            return new NamedServer(Setting, connectionString, $"Redis {version}".TrimEnd());
        }
        catch (Exception exception) when (exception is RedisException or ArgumentException or TimeoutException)
        {
            throw new ServerNotFoundException($"The Redis named by {Setting} cannot be used: {exception.Message}", exception);
        }
    }

    private static async Task<Server?> StartLocalAsync(
        ServerOptions options, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (await Apt.FindOrInstallAsync(Apt.Redis, progress, cancellationToken) is not { } path)
        {
            return null;
        }

        var (_, version) = await Programs.RunAsync(path, ["--version"], cancellationToken: cancellationToken);
        var number = version.Lines().SelectMany(line => line.Split(' '))
            .FirstOrDefault(word => word.StartsWith("v=", StringComparison.Ordinal));
        var folder = await ServerFolder.OpenAsync(options.DataDirectory, "redis", progress, cancellationToken);
        var port = Ports.Take();
        var server = new ProcessServer(new ServerProgram(
            $"Redis {number?[2..]}".TrimEnd(), path, port, $"127.0.0.1:{port}",
            ["--bind", "127.0.0.1", "--port", $"{port}", "--dir", folder.Path, .. Durability(options), .. Tls(options)])
        {
            Folder = folder,
            ProbeAsync = token => ProbeAsync(port, token),
        });
        return await server.StartOrDisposeAsync(cancellationToken);
    }

    private static string[] Durability(ServerOptions options) =>
        options.Persistent ? ["--appendonly", "yes"] : ["--save", "", "--appendonly", "no"];

    private static string[] Tls(ServerOptions options) => options.TlsFolder is { } tls
        ? ["--tls-port", $"{options.RedisTlsPort}", "--tls-cert-file", $"{tls}/server.pem", "--tls-key-file", $"{tls}/server.key",
            "--tls-ca-cert-file", $"{tls}/ca.pem", "--tls-auth-clients", "no"]
        : [];

    // By hand: a client library would go on reconnecting to a server that is still starting.
    internal static async Task ProbeAsync(int port, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(2));
        using var client = new TcpClient();
        await client.ConnectAsync(ContainerServer.Host, port, deadline.Token);
        var stream = client.GetStream();
        await stream.WriteAsync("PING\r\n"u8.ToArray(), deadline.Token);
        var answer = new byte[5];
        await stream.ReadExactlyAsync(answer, deadline.Token);
        if (!answer.AsSpan().SequenceEqual("+PONG"u8))
        {
            throw new IOException("Redis is still loading.");
        }
    }
}
