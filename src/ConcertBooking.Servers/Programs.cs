namespace ConcertBooking.Servers;

/// <summary>Programs on this machine.</summary>
internal static class Programs
{
    // Servers live in sbin, which a normal user's PATH leaves out on Debian.
    private static readonly string[] ServerFolders = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"];

    /// <summary>The program that runs .NET assemblies.</summary>
    public static string DotNet =>
        Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } path ? path
        : Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath!
        : "dotnet";

    public static string? Find(params ReadOnlySpan<string> names)
    {
        if (OperatingSystem.IsWindows())
        {
            return null;
        }

        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        foreach (var name in names)
        {
            foreach (var folder in folders.Concat(ServerFolders))
            {
                var path = Path.Combine(folder, name);
                if (IsExecutable(path))
                {
                    return path;
                }
            }
        }
        return null;
    }

    public static bool IsExecutable(string path) =>
        File.Exists(path)
        && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.OtherExecute)) != 0);

    /// <summary>Runs a program to its end.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">One by one, never through a shell.</param>
    /// <param name="environment">Added to this process's own; null as a value removes one.</param>
    /// <param name="input">Written to its standard input.</param>
    /// <param name="onLine">Called with every line it prints, from any thread.</param>
    /// <param name="cancellationToken">Kills it.</param>
    public static async Task<(int ExitCode, OutputLog Log)> RunAsync(
        string program,
        IEnumerable<string> arguments,
        IEnumerable<KeyValuePair<string, string?>>? environment = null,
        string? input = null,
        Action<string>? onLine = null,
        CancellationToken cancellationToken = default)
    {
        await using var child = ChildProcess.Start(program, arguments, environment, new OutputLog(onLine));
        try
        {
            if (input is not null)
            {
                await child.Input.WriteAsync(input.AsMemory(), cancellationToken);
            }

            child.Input.Close();
        }
        catch (IOException)
        {
            // It ended before it read everything; its exit code and output show why.
        }
        await child.WaitForExitAsync(cancellationToken);
        return (child.ExitCode, child.Log);
    }
}
