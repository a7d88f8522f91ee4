using System.Globalization;

namespace ConcertBooking.Hosting;

/// <summary>What the container may use, as the kernel's control groups have it.</summary>
internal static class ControlGroup
{
    /// <summary>Where containers find their own group; the files lie there in version 2 and in version 1.</summary>
    public const string Root = "/sys/fs/cgroup";

    /// <summary>More than any machine has: version 1 writes "no limit" as a number near 2^63, version 2 as "max".</summary>
    private const long NoLimit = 1L << 50;

    /// <summary>Bytes; null where there is no limit. The collector's own idea of it is already less than that.</summary>
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
