using System.ComponentModel;
using System.Numerics;
using System.Runtime.InteropServices;

namespace ConcertBooking.Tests.Support;

/// <summary>Which processors are whose. Linux only: elsewhere nothing changes.</summary>
internal static partial class Scheduling
{
    /// <summary>Words of 64 processors each, as many as the kernel knows of by default.</summary>
    private const int Words = 128;

    /// <summary>This thread runs when nobody else wants to (nice 19).</summary>
    public static void TakeTheLastTurn()
    {
        if (OperatingSystem.IsLinux()) // elsewhere it would be the whole process
        {
            _ = SetPriority(0, 0, 19);
        }
    }

    /// <summary>What is started within it, before its first await, has one processor, and counts one.</summary>
    public static T OnOneProcessor<T>(Func<T> start)
    {
        if (!OperatingSystem.IsLinux())
        {
            return start();
        }

        var all = new ulong[Words];
        Check(GetAffinity(0, Words * sizeof(ulong), all));
        var one = new ulong[Words];
        var word = Array.FindIndex(all, static word => word != 0);
        one[word] = 1UL << BitOperations.TrailingZeroCount(all[word]); // the first of those that are ours
        Check(SetAffinity(0, Words * sizeof(ulong), one));
        try
        {
            return start();
        }
        finally
        {
            Check(SetAffinity(0, Words * sizeof(ulong), all));
        }

        static void Check(int result)
        {
            if (result < 0)
            {
                throw new Win32Exception(Marshal.GetLastPInvokeError());
            }
        }
    }

    // 0 means the calling thread; a child has what its thread had.
    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, uint who, int nice);

    [LibraryImport("libc", EntryPoint = "sched_getaffinity", SetLastError = true)]
    private static partial int GetAffinity(int thread, nuint size, [Out] ulong[] processors);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SetAffinity(int thread, nuint size, ulong[] processors);
}
