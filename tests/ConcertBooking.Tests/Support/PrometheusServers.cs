using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>Starts a Prometheus that watches instances, from the program on this machine.</summary>
public static class PrometheusServers
{
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(5) };

    /// <param name="targets">Whose <c>/metrics</c> it reads every second, as the job <c>concert-booking</c>.</param>
    /// <param name="rulesPath">A file of rules and alerts that it evaluates, every second where a group does not say otherwise.</param>
    /// <param name="cancellationToken">Ends the start, and the process with it.</param>
    /// <returns>The server; its connection string is its address.</returns>
    /// <exception cref="ServerNotFoundException">There is no such program.</exception>
    public static async Task<Server> StartAsync(IEnumerable<Uri> targets, string rulesPath, CancellationToken cancellationToken = default)
    {
        var path = Programs.Find("prometheus") ?? throw new ServerNotFoundException("No Prometheus: install the package prometheus.");
        var folder = await ServerFolder.OpenAsync(root: null, "prometheus", progress: null, cancellationToken);
        var settingsPath = Path.Combine(folder.Path, "prometheus.yml");
        await File.WriteAllTextAsync(
            settingsPath,
            $$"""
            global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
            rule_files: ['{{rulesPath}}']
            scrape_configs:
              - job_name: concert-booking
                static_configs: [{ targets: [{{string.Join(", ", targets.Select(static target => $"'{target.Authority}'"))}}] }]
            """,
            cancellationToken);
        var port = Ports.Take();
        var address = $"http://127.0.0.1:{port}/";
        var server = new ProcessServer(new ServerProgram(
            "Prometheus", path, port, address,
            [$"--config.file={settingsPath}", $"--storage.tsdb.path={folder.Path}/data", $"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn"])
        {
            Folder = folder,
            ProbeAsync = token => ProbeAsync(new Uri($"{address}-/ready"), token),
        });
        return await server.StartOrDisposeAsync(cancellationToken);
    }

    private static async Task ProbeAsync(Uri ready, CancellationToken cancellationToken)
    {
        using var answer = await Http.GetAsync(ready, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }
}
