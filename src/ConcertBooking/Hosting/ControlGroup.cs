using System.Globalization;

namespace ConcertBooking.Hosting;

/// <summary>The memory limit of the container, read from the kernel's control groups (cgroup v1 and v2).</summary>
internal static class ControlGroup
{
    /// <summary>Where a container's own group is mounted, in both versions.</summary>
    public const string Root = "/sys/fs/cgroup";

    /// <summary>More than any machine has: version 1 writes "no limit" as a number near 2^63, version 2 as "max".</summary>
    private const long NoLimit = 1L << 50;

    /// <summary>Bytes; null where there is no limit. The garbage collector's own limit is already less than that.</summary>
    public static long? MemoryLimit(string root)
    {
        foreach (var name in (string[])["memory.max", "memory/memory.limit_in_bytes"])
        {
            var file = Path.Combine(root, name);

            // The kernel ends the number with a newline.
            if (File.Exists(file)
                && long.TryParse(File.ReadAllText(file).AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var limit)
                && limit < NoLimit)
            {
                return limit;
            }
        }

        return null;
    }
}
