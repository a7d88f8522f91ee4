using System.Diagnostics;
using System.Runtime.InteropServices;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// A wrong clock for one process: libfaketime stands between it and the C library. The monotonic clock is moved by the
/// same amount, which no timer notices; left alone, libfaketime lets some waits with a time limit end too late.
/// </summary>
internal static class FakeClock
{
    private const string Package = "libfaketime";

    private static readonly Lazy<Task<string>> Library = new(FindOrInstallAsync);

    /// <summary>The environment of a process whose clock is off by that much.</summary>
    public static async Task<Dictionary<string, string?>> OffByAsync(TimeSpan offset) => new()
    {
        ["LD_PRELOAD"] = await Library.Value,
        ["FAKETIME"] = $"{(int)offset.TotalSeconds:+0;-0}s",
    };

    private static async Task<string> FindOrInstallAsync()
    {
        if (Find() is { } found)
        {
            return found;
        }

        if (!File.Exists("/usr/bin/apt-get") || !Environment.IsPrivilegedProcess)
        {
            throw new InvalidOperationException($"A wrong clock needs libfaketime.so.1: install the package {Package}.");
        }

        await AptGetAsync("update");
        await AptGetAsync("install", "--yes", "--no-install-recommends", Package);
        return Find() ?? throw new InvalidOperationException($"apt-get installed {Package}, but libfaketime.so.1 is nowhere to be found.");
    }

    /// <summary>Debian keeps it under the architecture's name, others directly under lib.</summary>
    private static string? Find()
    {
        var architecture = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 ? "aarch64" : "x86_64";
        string[] places = [$"/usr/lib/{architecture}-linux-gnu/faketime", "/usr/lib/faketime", "/usr/lib64/faketime",
            "/usr/local/lib/faketime"];
        return places.Select(place => $"{place}/libfaketime.so.1").FirstOrDefault(File.Exists);
    }

    private static async Task AptGetAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("/usr/bin/apt-get", ["-o", "DPkg::Lock::Timeout=300", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DEBIAN_FRONTEND"] = "noninteractive";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Eventually.Patience);
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"apt-get {string.Join(' ', arguments)} failed:\n{await output}{await error}");
        }
    }
}
