using System.Text;

namespace ConcertBooking.Servers;

/// <summary>The private data folder of one server: kept under the given root, or temporary and deleted with the server.</summary>
internal sealed class ServerFolder : IAsyncDisposable
{
    private ServerFolder(string path, bool isTemporary) => (Path, IsTemporary) = (path, isTemporary);

    public string Path { get; }

    public bool IsTemporary { get; }

    /// <param name="kind">Sub-folder: data of one program and version cannot be used by another.</param>
    public static async Task<ServerFolder> OpenAsync(
        string? root, string kind, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (root is null)
        {
            var temporary = Directory.CreateTempSubdirectory($"concert-booking-{kind}-").FullName; // mode 700
            Watchdog.Add(WatchedKind.Path, temporary);
            return new ServerFolder(temporary, isTemporary: true);
        }

        var path = System.IO.Path.Combine(System.IO.Path.GetFullPath(root), kind);
        CreatePrivate(path);
        await KillOrphanAsync(path, progress, cancellationToken);
        return new ServerFolder(path, isTemporary: false);
    }

    public static void CreatePrivate(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!IsTemporary)
        {
            return;
        }
        // A killed server's last write may still create a file while the folder is being emptied.
        for (var attempt = 0; Directory.Exists(Path) && attempt < 20; attempt++)
        {
            try
            {
                Directory.Delete(Path, recursive: true);
            }
            catch (IOException)
            {
                await Task.Delay(50);
            }
        }
        Watchdog.Remove(WatchedKind.Path, Path);
    }

    /// <summary>
    /// Kills a server of an earlier run that still uses this folder; a second one would only wait for its lock. The folder is
    /// private, so the process is ours.
    /// </summary>
    public static async Task KillOrphanAsync(string path, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(System.IO.Path.GetFileName(process), out var id) || !await UsesAsync(process, path, cancellationToken))
            {
                continue;
            }

            progress?.Report($"Process {id} of an earlier run still uses {path}; ending it.");
            using var orphan = System.Diagnostics.Process.GetProcessById(id);
            orphan.Kill();
            await orphan.WaitForExitAsync(cancellationToken);
        }
    }

    private static async Task<bool> UsesAsync(string process, string path, CancellationToken cancellationToken)
    {
        try
        {
            var arguments = Encoding.UTF8.GetString(await File.ReadAllBytesAsync($"{process}/cmdline", cancellationToken)).Split('\0');
            return arguments.Any(argument => argument == path || argument.StartsWith($"--datadir={path}/", StringComparison.Ordinal));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false; // ended, or of another user
        }
    }
}
