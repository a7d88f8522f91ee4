using System.Text;
using ConcertBooking.Hosting;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Hosting;

/// <summary>The container's limit of memory, from files as the kernel writes them (cgroup v1 and v2).</summary>
public sealed class MemoryLimitTests : SharedRigTests
{
    [Test]
    [Arguments("memory.max", "536870912\n", 536_870_912L)]
    [Arguments("memory.max", "max\n", null)]
    [Arguments("memory/memory.limit_in_bytes", "536870912\n", 536_870_912L)]
    [Arguments("memory/memory.limit_in_bytes", "9223372036854771712\n", null)]
    [Arguments("cgroup.controllers", "memory\n", null)]
    public async Task MemoryLimit_FileOfTheKernel_IsRead(string file, string text, long? limit)
    {
        var root = Directory.CreateTempSubdirectory("concert-booking-cgroup-");
        try
        {
            var path = Path.Combine(root.FullName, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, text, Encoding.ASCII);

            await Assert.That(ControlGroup.MemoryLimit(root.FullName)).IsEqualTo(limit);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    /// <summary>What the service reports is what this machine's files say, where they say something.</summary>
    [Test]
    public async Task Metric_Always_IsTheLimitOfTheKernel()
    {
        var metrics = (await Rig.A.Management.GetAsync("/metrics")).Text;
        var reported = double.Parse(
            metrics.Split('\n').Single(static line => line.StartsWith("booking_memory_limit_bytes{", StringComparison.Ordinal))
                .Split(' ')[1],
            System.Globalization.CultureInfo.InvariantCulture);

        await Assert.That((long)reported).IsEqualTo(ControlGroup.MemoryLimit(ControlGroup.Root) ?? (long)reported).And.IsGreaterThan(0);
    }
}
