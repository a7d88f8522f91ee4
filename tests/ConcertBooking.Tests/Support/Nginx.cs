using System.Globalization;
using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>A real nginx with deploy/nginx.conf, in which only addresses and folders are changed.</summary>
internal sealed class Nginx : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly DirectoryInfo _folder;

    private Nginx(ChildProcess process, DirectoryInfo folder, Uri address) =>
        (_process, _folder, Api) = (process, folder, new Api(address));

    public Api Api { get; }

    /// <summary>What it warned of, such as an instance that does not answer.</summary>
    public string Log => _process.Log.Text(isError: true);

    /// <summary>What it could not deliver, a line each.</summary>
    public string Failures => _process.Log.Text(isError: false);

    /// <param name="first">Takes the place of <c>app-1</c>.</param>
    /// <param name="second">Takes the place of <c>app-2</c>.</param>
    /// <param name="changes">Further texts of the file, with what takes their place.</param>
    public static async Task<Nginx> StartAsync(Api first, Api second, params (string From, string To)[] changes)
    {
        var program = Programs.Find("nginx") ?? throw new FileNotFoundException("nginx is not installed: the package is nginx-light.");
        var port = Ports.Take();
        var folder = Directory.CreateTempSubdirectory("concert-booking-nginx-");
        var configuration = await File.ReadAllTextAsync(Repository.PathOf("deploy/nginx.conf"));
        foreach (var (from, to) in ((string, string)[])[
            ("app-1:8080", first.Address.Authority), ("app-2:8080", second.Address.Authority),
            ("listen 3000", string.Create(CultureInfo.InvariantCulture, $"listen 127.0.0.1:{port}")), (" /tmp/", $" {folder.FullName}/"),
            .. changes])
        {
            if (!configuration.Contains(from, StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"deploy/nginx.conf has no '{from}'.");
            }

            configuration = configuration.Replace(from, to, StringComparison.Ordinal);
        }
        var file = Path.Combine(folder.FullName, "nginx.conf");
        await File.WriteAllTextAsync(file, configuration);
        // As root its workers would be somebody who may not read the folder.
        var user = Environment.IsPrivilegedProcess ? " user root;" : "";
        var nginx = new Nginx(
            ChildProcess.Start(program, ["-p", folder.FullName, "-e", "stderr", "-c", file, "-g", $"daemon off;{user}"]), folder,
            new Uri($"http://127.0.0.1:{port}"));
        await Eventually.TrueAsync(() => nginx._process.HasExited || !Ports.IsFree(port));
        return nginx._process.HasExited ? throw new InvalidOperationException($"nginx did not start:\n{nginx.Log}") : nginx;
    }

    public async ValueTask DisposeAsync()
    {
        await _process.StopAsync(TimeSpan.FromSeconds(5));
        await _process.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
