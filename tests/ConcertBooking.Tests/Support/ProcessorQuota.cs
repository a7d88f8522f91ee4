namespace ConcertBooking.Tests.Support;

/// <summary>
/// A part of a processor for one process, as a container has it: by a control group of its own, where this user may make one.
/// </summary>
internal sealed class ProcessorQuota : IDisposable
{
    private const int PeriodMicroseconds = 100_000;

    private readonly string _group;
    private readonly string _parent;

    private ProcessorQuota(string parent, string group) => (_parent, _group) = (parent, group);

    /// <returns>Null where this user may not limit a process.</returns>
    public static ProcessorQuota? TrySet(int processId, double processors)
    {
        var isV1 = Directory.Exists("/sys/fs/cgroup/cpu");
        var parent = isV1 ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup";
        var group = Path.Combine(parent, $"concert-booking-{processId}");
        var quota = (int)(processors * PeriodMicroseconds);
        try
        {
            Directory.CreateDirectory(group);
            var (file, text) = isV1 ? ("cpu.cfs_quota_us", $"{quota}") : ("cpu.max", $"{quota} {PeriodMicroseconds}");
            File.WriteAllText(Path.Combine(group, file), text);
            File.WriteAllText(Path.Combine(group, "cgroup.procs"), $"{processId}");
            return new ProcessorQuota(parent, group);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The processes go back to where they came from.</summary>
    public void Dispose()
    {
        foreach (var process in File.ReadAllLines(Path.Combine(_group, "cgroup.procs")))
        {
            File.WriteAllText(Path.Combine(_parent, "cgroup.procs"), process);
        }

        Directory.Delete(_group);
    }
}
