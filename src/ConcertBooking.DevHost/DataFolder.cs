using ConcertBooking.Servers;

namespace ConcertBooking.DevHost;

/// <summary>The folder (and the Docker volumes named after it) where the DevHost's data survive a restart; one DevHost at a time.</summary>
internal sealed class DataFolder : IDisposable
{
    private const string LockName = "lock";

    private readonly FileStream _lock;

    private DataFolder(string path, FileStream @lock) => (Path, _lock) = (path, @lock);

    public string Path { get; }

    /// <exception cref="HostException">Another DevHost uses the folder.</exception>
    public static DataFolder Open()
    {
        var root = BuildFacts.Get("RepositoryRoot");
        var path = System.IO.Path.Combine(Directory.Exists(root) ? root : Environment.CurrentDirectory, ".data");
        ServerFolder.CreatePrivate(path);
        try
        {
            // Held by the open file, so a killed DevHost leaves no stale lock.
            var file = System.IO.Path.Combine(path, LockName);
            return new DataFolder(path, new FileStream(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None));
        }
        catch (IOException)
        {
            throw new HostException($"Another DevHost already uses {path}; stop it first.");
        }
    }

    /// <summary>Deletes all data, whichever kind of server wrote them.</summary>
    public async Task ClearAsync(IProgress<string> progress, CancellationToken cancellationToken)
    {
        foreach (var folder in Directory.EnumerateDirectories(Path))
        {
            await ServerFolder.KillOrphanAsync(folder, progress, cancellationToken);
            Directory.Delete(folder, recursive: true);
            progress.Report($"deleted {folder}");
        }

        if (await DockerEngine.ClientAsync() is not { } docker)
        {
            return;
        }

        var options = new ServerOptions { DataDirectory = Path };
        foreach (var kind in (string[])[Containers.MySqlVolume, Containers.RedisVolume])
        {
            var volume = Containers.VolumeName(options, kind)!;
            if (await docker.TryRemoveVolumeAsync(volume, cancellationToken))
            {
                progress.Report($"deleted the Docker volume {volume}");
            }
        }
    }

    public void Dispose() => _lock.Dispose();
}
