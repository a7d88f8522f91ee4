using System.Reflection;
using System.Runtime.InteropServices;
using Confluent.Kafka;

namespace ConcertBooking.Kafka;

/// <summary>librdkafka does not load, or is not the one that this build was made for.</summary>
internal sealed class KafkaLibraryException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>
/// Loads librdkafka by its path beside the program. Left to the system's search, an older one that is installed or on
/// LD_LIBRARY_PATH would be loaded instead, in which calls of the binding are missing.
/// </summary>
internal static class KafkaLibrary
{
    /// <summary>The builds in the package; which of them loads depends on the libraries of the system.</summary>
    private static readonly string[] Builds = ["centos8-librdkafka.so", "librdkafka.so", "alpine-librdkafka.so"];

    private static readonly Lock Loading = new();
    private static nint _handle;

    /// <summary>Loads it, once; a failure is tried again by the next call.</summary>
    /// <returns>Version and path, for the log.</returns>
    /// <exception cref="KafkaLibraryException">It does not load or has another version.</exception>
    public static string Load()
    {
        lock (Loading)
        {
            if (!OperatingSystem.IsLinux() || _handle != 0)
            {
                return Library.VersionString;
            }

            var path = Find();
            var handle = Open(path);
            var version = Version(handle);
            var needed = typeof(Library).Assembly.GetName().Version!;
            if (version != new Version(needed.Major, needed.Minor, needed.Build))
            {
                NativeLibrary.Free(handle);
                throw new KafkaLibraryException($"{path} is librdkafka {version}, this build needs {needed.ToString(3)}");
            }

            _handle = handle;
            NativeLibrary.SetDllImportResolver(typeof(Library).Assembly, Resolve);
            return $"{version}, {path}";
        }
    }

    /// <summary>In a published program the library lies beside it, in a build output in the package's runtimes folder.</summary>
    private static string Find()
    {
        var architecture = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
        var found =
            from folder in (string[])["", $"runtimes/linux-{architecture}/native"]
            from build in Builds
            let path = Path.Combine(AppContext.BaseDirectory, folder, build)
            where File.Exists(path)
            select path;
        return found.FirstOrDefault(CanOpen) ?? found.FirstOrDefault()
            ?? throw new KafkaLibraryException($"there is no librdkafka beside the program in {AppContext.BaseDirectory}");
    }

    private static bool CanOpen(string path)
    {
        var opens = NativeLibrary.TryLoad(path, out var handle);
        if (opens)
        {
            NativeLibrary.Free(handle);
        }

        return opens;
    }

    private static nint Open(string path)
    {
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            throw new KafkaLibraryException($"{path} does not load: {exception.Message}", exception);
        }
    }

    /// <summary>Checked before the binding is used, which would fail on the first missing function.</summary>
    private static unsafe Version Version(nint handle)
    {
        var version = NativeLibrary.TryGetExport(handle, "rd_kafka_version", out var function) ? ((delegate* unmanaged<int>)function)() : 0;
        return new Version(version >> 24, (version >> 16) & 0xFF, (version >> 8) & 0xFF);
    }

    /// <summary>The binding uses several names for the library; all resolve to the loaded one.</summary>
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) =>
        name.Contains("librdkafka", StringComparison.Ordinal) ? _handle : 0;
}
