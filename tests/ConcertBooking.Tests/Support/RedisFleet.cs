using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// Several Redis servers on this machine that stand in for one another: under three Sentinels, or as a cluster of
/// three primaries with a replica each.
/// </summary>
public sealed class RedisFleet : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<(int Port, Server Server)> _servers = [];
    private readonly List<Server> _sentinels = [];
    private readonly string _program, _client;

    private RedisFleet(string program, string client) => (_program, _client) = (program, client);

    /// <summary>What the service's connection setting takes.</summary>
    public string ConnectionString { get; private set; } = "";

    /// <summary>The servers' ports, in the order of their start.</summary>
    public IReadOnlyList<int> Nodes => _servers.ConvertAll(static server => server.Port);

    /// <summary>A primary and a replica, and nobody who would fail over.</summary>
    public static async Task<RedisFleet> StartPairAsync(CancellationToken cancellationToken = default)
    {
        var fleet = await FindAsync(cancellationToken);
        return await fleet.StartOrDisposeAsync(async () =>
        {
            var primary = await fleet.AddAsync([], cancellationToken);
            var replica = await fleet.AddAsync(["--replicaof", "127.0.0.1", $"{primary}"], cancellationToken);
            await fleet.UntilAsync(
                replica, ["info", "replication"],
                answer => answer.Contains("master_link_status:up", StringComparison.Ordinal), cancellationToken);
            fleet.ConnectionString = $"127.0.0.1:{primary}";
        });
    }

    /// <summary>A primary, a replica and three Sentinels that agree on the primary's death after two seconds.</summary>
    public static async Task<RedisFleet> StartSentinelAsync(CancellationToken cancellationToken = default)
    {
        var fleet = await FindAsync(cancellationToken);
        return await fleet.StartOrDisposeAsync(async () =>
        {
            var primary = await fleet.AddAsync([], cancellationToken);
            await fleet.AddAsync(["--replicaof", "127.0.0.1", $"{primary}"], cancellationToken);
            var sentinels = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => fleet.AddSentinelAsync(primary, cancellationToken)));
            foreach (var sentinel in sentinels)
            {
                await fleet.UntilAsync(
                    sentinel, ["sentinel", "ckquorum", "concerts"],
                    answer => answer.StartsWith("OK 3 ", StringComparison.Ordinal), cancellationToken);
                await fleet.UntilAsync(
                    sentinel, ["sentinel", "replicas", "concerts"],
                    answer => answer.Contains("master-link-status\nok", StringComparison.Ordinal), cancellationToken);
            }
            fleet.ConnectionString = $"{string.Join(',', sentinels.Select(port => $"127.0.0.1:{port}"))},serviceName=concerts";
        });
    }

    /// <summary>Three primaries and three replicas.</summary>
    public static async Task<RedisFleet> StartClusterAsync(CancellationToken cancellationToken = default)
    {
        const int Primaries = 3, Slots = 16_384;
        var fleet = await FindAsync(cancellationToken);
        return await fleet.StartOrDisposeAsync(async () =>
        {
            var ports = new int[2 * Primaries];
            for (var index = 0; index < ports.Length; index++)
            {
                var bus = Ports.Take();
                ports[index] = await fleet.AddAsync(
                    ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", $"{bus}"], cancellationToken);
                if (index > 0)
                {
                    await fleet.AskAsync(ports[0], ["cluster", "meet", "127.0.0.1", $"{ports[index]}", $"{bus}"], cancellationToken);
                }
            }
            for (var index = 0; index < Primaries; index++)
            {
                var (first, last) = (index * Slots / Primaries, ((index + 1) * Slots / Primaries) - 1);
                await fleet.AskAsync(ports[index], ["cluster", "addslotsrange", $"{first}", $"{last}"], cancellationToken);
            }
            foreach (var port in ports)
            {
                await fleet.UntilAsync(
                    port, ["cluster", "nodes"],
                    answer => answer.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length == ports.Length,
                    cancellationToken);
            }

            for (var index = 0; index < Primaries; index++)
            {
                var primary = (await fleet.AskAsync(ports[index], ["cluster", "myid"], cancellationToken)).Trim();
                await fleet.AskAsync(ports[index + Primaries], ["cluster", "replicate", primary], cancellationToken);
            }
            foreach (var port in ports)
            {
                await fleet.UntilAsync(
                    port, ["cluster", "info"], answer => answer.Contains("cluster_state:ok", StringComparison.Ordinal), cancellationToken);
            }

            foreach (var port in ports.Skip(Primaries))
            {
                await fleet.UntilAsync(
                    port, ["info", "replication"],
                    answer => answer.Contains("master_link_status:up", StringComparison.Ordinal), cancellationToken);
            }

            fleet.ConnectionString = string.Join(',', ports.Select(port => $"127.0.0.1:{port}"));
        });
    }

    /// <summary>The primary that holds this key.</summary>
    public async Task<Server> PrimaryOfAsync(string key, CancellationToken cancellationToken = default)
    {
        foreach (var (port, server) in _servers)
        {
            if ((await AskAsync(port, ["info", "replication"], cancellationToken)).Contains("role:master", StringComparison.Ordinal)
                && (await AskAsync(port, ["exists", key], cancellationToken)).Trim() == "1")
            {
                return server;
            }
        }
        throw new InvalidOperationException($"No primary holds {key}.");
    }

    /// <summary>What the server on that port answers to a command.</summary>
    public async Task<string> AskAsync(int port, string[] command, CancellationToken cancellationToken = default)
    {
        var (_, log) = await Programs.RunAsync(_client, ["-p", $"{port}", .. command], cancellationToken: cancellationToken);
        return log.Text(isError: false).ReplaceLineEndings("\n");
    }

    /// <summary>Asks until the answer is the one that must come.</summary>
    public async Task UntilAsync(int port, string[] command, Func<string, bool> met, CancellationToken cancellationToken = default)
    {
        var waited = System.Diagnostics.Stopwatch.StartNew();
        while (await AskAsync(port, command, cancellationToken) is var answer && !met(answer))
        {
            if (waited.Elapsed > Patience)
            {
                throw new InvalidOperationException($"{string.Join(' ', command)} still answers on port {port}:\n{answer}");
            }

            await Task.Delay(100, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _sentinels.Concat(_servers.Select(server => server.Server)))
        {
            await server.DisposeAsync();
        }
    }

    private static async Task<RedisFleet> FindAsync(CancellationToken cancellationToken)
    {
        var program = await Apt.FindOrInstallAsync(Apt.Redis, null, cancellationToken);
        return program is not null && Programs.Find("redis-cli") is { } client
            ? new RedisFleet(program, client)
            : throw new ServerNotFoundException($"No Redis program: install redis-server{Apt.Hint(Apt.Redis)}.");
    }

    private async Task<RedisFleet> StartOrDisposeAsync(Func<Task> start)
    {
        try
        {
            await start();
            return this;
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    private async Task<int> AddAsync(string[] arguments, CancellationToken cancellationToken)
    {
        var port = Ports.Take();
        var folder = await ServerFolder.OpenAsync(null, "redis", null, cancellationToken);
        _servers.Add((port, await StartAsync(
            "Redis", port, folder,
            ["--bind", "127.0.0.1", "--port", $"{port}", "--dir", folder.Path, "--save", "", "--appendonly", "no",
                "--repl-diskless-sync-delay", "0", .. arguments],
            cancellationToken)));
        return port;
    }

    private async Task<int> AddSentinelAsync(int primary, CancellationToken cancellationToken)
    {
        var port = Ports.Take();
        var folder = await ServerFolder.OpenAsync(null, "sentinel", null, cancellationToken);
        var file = Path.Combine(folder.Path, "sentinel.conf"); // which Sentinel rewrites with what it learns
        await File.WriteAllTextAsync(file, $"""
            port {port}
            bind 127.0.0.1
            dir {folder.Path}
            sentinel monitor concerts 127.0.0.1 {primary} 2
            sentinel down-after-milliseconds concerts 2000
            sentinel failover-timeout concerts 6000

            """, cancellationToken);
        var server = await StartAsync("Sentinel", port, folder, [file, "--sentinel"], cancellationToken);
        lock (_sentinels)
        {
            _sentinels.Add(server);
        }

        return port;
    }

    private Task<Server> StartAsync(string name, int port, ServerFolder folder, string[] arguments, CancellationToken cancellationToken) =>
        new ProcessServer(new ServerProgram(name, _program, port, $"127.0.0.1:{port}", arguments)
        {
            Folder = folder,
            ProbeAsync = token => RedisServers.ProbeAsync(port, token),
        }).StartOrDisposeAsync(cancellationToken);
}
