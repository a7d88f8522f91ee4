using System.Runtime;

namespace ConcertBooking.Hosting;

/// <summary>
/// Starts without collecting garbage. The young generation is kept at 2 MB, and the start allocates several times as much: its
/// collections took a quarter of the processor time until the first answer, and found little to free.
/// </summary>
internal static class StartGarbage
{
    /// <summary>A start that allocates more is collected as always.</summary>
    private const long MostBytes = 24L << 20;

    /// <summary>For what the first requests allocate: the routes are made for the first one.</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(2);

    /// <summary>Nothing is collected from now on.</summary>
    public static void Keep()
    {
        try
        {
            GC.TryStartNoGCRegion(MostBytes, disallowFullBlockingGC: true);
        }
        catch (ArgumentOutOfRangeException)
        {
            // More than the limit on memory allows.
        }
    }

    /// <summary>Collects as always, a moment after the service listens.</summary>
    public static async Task CollectLaterAsync(TimeProvider time)
    {
        await Task.Delay(Delay, time);
        try
        {
            if (GCSettings.LatencyMode == GCLatencyMode.NoGCRegion)
            {
                GC.EndNoGCRegion();
            }
        }
        catch (InvalidOperationException)
        {
            // More was allocated just now, and that has ended it.
        }
    }
}
