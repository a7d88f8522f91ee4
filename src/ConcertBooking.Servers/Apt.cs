namespace ConcertBooking.Servers;

/// <summary>A Debian package and the programs it installs.</summary>
internal sealed record AptPackage(string Name, string[] Programs);

/// <summary>Installs missing servers on Debian and Ubuntu, as root.</summary>
internal static class Apt
{
    private const string PolicyFile = "/usr/sbin/policy-rc.d";

    public static readonly AptPackage MariaDb = new("mariadb-server-core", ["mysqld", "mariadbd"]);
    public static readonly AptPackage MariaDbClient = new("mariadb-client", ["mysqldump"]);
    public static readonly AptPackage Redis = new("redis-server", ["redis-server"]);

    // One apt-get at a time, and one update of the package lists.
    private static readonly SemaphoreSlim Gate = new(1);
    private static bool _listsRead;

    private static bool IsDebian { get; } = OperatingSystem.IsLinux()
        && File.Exists("/usr/bin/apt-get")
        && File.ReadLines("/etc/os-release").Any(line =>
            line.StartsWith("ID", StringComparison.Ordinal)
            && (line.Contains("debian", StringComparison.Ordinal) || line.Contains("ubuntu", StringComparison.Ordinal)));

    /// <summary>How to install the package by hand, where that is known.</summary>
    public static string Hint(AptPackage package) => IsDebian ? $" (sudo apt-get install --no-install-recommends {package.Name})" : "";

    /// <returns>Where the program is; null when it is missing and cannot be installed here.</returns>
    public static async Task<string?> FindOrInstallAsync(
        AptPackage package, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (Programs.Find(package.Programs) is { } found)
        {
            return found;
        }

        if (!IsDebian || !Environment.IsPrivilegedProcess)
        {
            return null;
        }

        await Gate.WaitAsync(cancellationToken);
        try
        {
            await InstallAsync(package, progress, cancellationToken);
        }
        finally
        {
            Gate.Release();
        }
        return Programs.Find(package.Programs)
            ?? throw new ServerNotFoundException(
                $"apt-get installed {package.Name}, but {package.Programs[0]} is still not found.");
    }

    private static async Task InstallAsync(AptPackage package, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (!_listsRead)
        {
            progress?.Report("apt-get update");
            await RunAsync(["update"], progress, cancellationToken);
            _listsRead = true;
        }

        progress?.Report($"apt-get install {package.Name}");
        var isOurs = await ForbidServiceStartAsync(cancellationToken);
        try
        {
            // Killed half-way it would leave a broken package database.
            await using var notice = cancellationToken.Register(() => progress?.Report("Waiting for apt-get to finish."));
            await RunAsync(["install", "--yes", "--no-install-recommends", package.Name], progress, CancellationToken.None);
        }
        finally
        {
            if (isOurs)
            {
                File.Delete(PolicyFile);
                Watchdog.Remove(WatchedKind.Path, PolicyFile);
            }
        }

        // Nor at the next boot: only the program is needed.
        if (package == Redis && Directory.Exists("/run/systemd/system") && Programs.Find("systemctl") is { } systemctl)
        {
            await Programs.RunAsync(systemctl, ["--quiet", "disable", "redis-server"], cancellationToken: cancellationToken);
        }
    }

    /// <summary>
    /// Debian starts a service as soon as its package is installed, unless this file forbids it. An existing file is left
    /// unchanged.
    /// </summary>
    private static async Task<bool> ForbidServiceStartAsync(CancellationToken cancellationToken)
    {
        if (File.Exists(PolicyFile) || OperatingSystem.IsWindows())
        {
            return false;
        }

        Watchdog.Add(WatchedKind.Path, PolicyFile);
        await File.WriteAllTextAsync(PolicyFile, "#!/bin/sh\nexit 101\n", cancellationToken);
        File.SetUnixFileMode(PolicyFile, (UnixFileMode)0b111_101_101);
        return true;
    }

    private static async Task RunAsync(string[] arguments, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        var (exitCode, log) = await Programs.RunAsync(
            "/usr/bin/apt-get",
            ["-o", "DPkg::Lock::Timeout=300", .. arguments],
            [new("DEBIAN_FRONTEND", "noninteractive"), new("LC_ALL", "C.UTF-8")],
            onLine: line => ReportStep(line, progress),
            cancellationToken: cancellationToken);
        if (exitCode != 0)
        {
            throw new ServerNotFoundException($"apt-get {string.Join(' ', arguments)} failed:\n{log.Tail()}");
        }
    }

    private static void ReportStep(string line, IProgress<string>? progress)
    {
        string[] steps = ["Get:", "Need to get", "Unpacking ", "Setting up "];
        if (steps.Any(step => line.StartsWith(step, StringComparison.Ordinal)))
        {
            progress?.Report($"  {line}");
        }
    }
}
