using System.Globalization;
using System.Runtime.InteropServices;

namespace ConcertBooking.Infrastructure;

/// <summary>What only the start needed goes back to the system: a small container has better use for it.</summary>
internal static partial class StartupMemory
{
    private const int DontNeed = 4; // MADV_DONTNEED of madvise(2)

    public static void Release()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (OperatingSystem.IsLinux())
        {
            ForgetProgramPages();
        }
    }

    /// <summary>
    /// Nearly the whole program was read while starting and stays resident, though requests need half of it. Its pages
    /// are dropped; those that are wanted come back from the page cache, 64 KB at a touch. Only mappings without a page
    /// of their own are dropped, so that nothing is lost: see "Anonymous" in proc_pid_smaps(5). Not those of libraries:
    /// while another thread loads one, its data may have come to lie where the list still tells of its file.
    /// </summary>
    private static void ForgetProgramPages()
    {
        string[] mapping = [];
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            // 55f0d62ff000-55f0d6cd3000 r-xp 00045000 08:01 1234   /app/concert-booking, then lines such as "Rss:   4 kB".
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!fields[0].EndsWith(':'))
            {
                mapping = fields;
            }
            else if (line.StartsWith("Anonymous:", StringComparison.Ordinal) && fields[1] == "0"
                && mapping is [var range, "r-xp" or "r--p", _, _, _, var path] && path == Environment.ProcessPath)
            {
                var ends = range.Split('-');
                var start = nint.Parse(ends[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                var end = nint.Parse(ends[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                _ = Advise(start, (nuint)(end - start), DontNeed); // when it is refused, the pages stay
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
