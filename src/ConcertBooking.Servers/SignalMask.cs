using System.Runtime.InteropServices;

namespace ConcertBooking.Servers;

/// <summary>Blocks signals on this thread, and so on every thread that it starts meanwhile. Nothing on Windows, which has none.</summary>
internal sealed partial class SignalMask : IDisposable
{
    private const int SizeOfSet = 128; // sigset_t on Linux; smaller elsewhere

    private readonly byte[] _before = new byte[SizeOfSet];

    private SignalMask()
    {
    }

    private static int Replace => OperatingSystem.IsMacOS() ? 3 : 2; // SIG_SETMASK

    public static SignalMask BlockAll()
    {
        var mask = new SignalMask();
        if (!OperatingSystem.IsWindows())
        {
            var all = new byte[SizeOfSet];
            _ = Fill(all);
            _ = Set(Replace, all, mask._before);
        }
        return mask;
    }

    public void Dispose()
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = Set(Replace, _before, null);
        }
    }

    [LibraryImport("libc", EntryPoint = "sigfillset")]
    private static partial int Fill(byte[] set);

    [LibraryImport("libc", EntryPoint = "pthread_sigmask")]
    private static partial int Set(int how, byte[] set, byte[]? before);
}
