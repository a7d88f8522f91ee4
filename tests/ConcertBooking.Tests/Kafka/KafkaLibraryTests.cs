using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Kafka;

/// <summary>Which librdkafka the service runs on: its own, or none.</summary>
public sealed class KafkaLibraryTests : SharedRigTests
{
    private const string Library = "centos8-librdkafka.so";

    [Test]
    public async Task Start_AnotherLibrdkafkaOnTheLibraryPath_LoadsItsOwn()
    {
        var installed = Directory.CreateTempSubdirectory("concert-booking-librdkafka-");
        try
        {
            foreach (var name in (string[])["librdkafka.so", "librdkafka.so.1"])
            {
                await File.WriteAllBytesAsync(Path.Combine(installed.FullName, name), await OlderLibraryAsync());
            }

            await using var instance = await Rig.StartAsync(new Dictionary<string, string?> { ["LD_LIBRARY_PATH"] = installed.FullName });

            await Eventually.TrueAsync(async () => await KafkaOfAsync(instance) == "up");

            var loaded = (await File.ReadAllLinesAsync($"/proc/{instance.Process.ProcessId}/maps"))
                .Where(line => line.Contains("librdkafka", StringComparison.Ordinal))
                    .Select(line => line[line.IndexOf('/')..]).Distinct().ToList();
            await Assert.That(loaded).Count().IsEqualTo(1);
            await Assert.That(loaded[0]).StartsWith(ProgramFolder);
            await Assert.That(instance.Process.Output.Count(line => line.Contains("Loaded librdkafka", StringComparison.Ordinal)))
                .IsEqualTo(1);
        }
        finally
        {
            installed.Delete(recursive: true);
        }
    }

    [Test]
    public async Task Start_LibrdkafkaOfAnotherVersion_SaysSoAndGoesOnWhenItIsReplaced()
    {
        var program = Directory.CreateTempSubdirectory("concert-booking-program-");
        try
        {
            foreach (var file in Directory.EnumerateFiles(ProgramFolder).Where(
                file => !file.EndsWith("librdkafka.so", StringComparison.Ordinal)))
            {
                File.Copy(file, Path.Combine(program.FullName, Path.GetFileName(file)));
            }

            var library = Path.Combine(program.FullName, Library);
            await File.WriteAllBytesAsync(library, await OlderLibraryAsync());
            // With groups of its own: those of the rig are joined and left all the time, and a consumer would wait to join again.
            await using var kafka = await KafkaServers.StartAsync(new ServerOptions { AllowNamed = false });
            await using var instance = await Rig.StartAsync(
                new Dictionary<string, string?> { [KafkaServers.Setting] = kafka.ConnectionString },
                waitFor: "/livez", program: Path.Combine(program.FullName, Path.GetFileName(ServiceProcess.BinaryPath)));

            await OutageTable.ExpectAsync("Consumer cannot run", instance);
            await Assert.That(
                instance.Process.Output.Count(
                    line => line.Contains($"{library} is librdkafka 2.0.2, this build needs", StringComparison.Ordinal))).IsBetween(1, 6);
            var admin = new Visitor(instance.Api, UserIds.Next(), AccessTokens.For(Rig.SigningKey, UserIds.Next(), admin: true));
            await Assert.That((await admin.GetAsync("/v1/admin/events")).Expect(200).Json.IsNull("deadLetters")).IsTrue();

            File.Copy(LibraryPath, library + ".new");
            File.Move(library + ".new", library, overwrite: true);

            await Eventually.TrueAsync(async () => await KafkaOfAsync(instance) == "up");
            await Eventually.TrueAsync(
                () => instance.Process.Output.Any(line => line.Contains("consumes again", StringComparison.Ordinal)));
        }
        finally
        {
            program.Delete(recursive: true);
        }
    }

    private static string ProgramFolder => Path.GetDirectoryName(ServiceProcess.BinaryPath)!;

    /// <summary>Beside a published program, in the package's folders of one that was only built.</summary>
    private static string LibraryPath => Directory.EnumerateFiles(ProgramFolder, Library, SearchOption.AllDirectories).First();

    private static async Task<string?> KafkaOfAsync(Instance instance) =>
        (await instance.Api.GetAsync("/readyz")).Json.GetProperty("checks").Value("kafka");

    /// <summary>The library in all but its version, which it says is 2.0.2: the number that rd_kafka_version returns.</summary>
    private static async Task<byte[]> OlderLibraryAsync()
    {
        var library = await File.ReadAllBytesAsync(LibraryPath);
        var needed = typeof(Confluent.Kafka.Library).Assembly.GetName().Version!;
        byte[] version = [0xB8, 0xFF, (byte)needed.Build, (byte)needed.Minor, (byte)needed.Major, 0xC3]; // mov eax, version; ret
        var at = library.AsSpan().IndexOf(version);
        await Assert.That(at).IsGreaterThan(0);
        byte[] older = [0xB8, 0xFF, 2, 0, 2, 0xC3];
        older.CopyTo(library.AsSpan(at));
        return library;
    }
}
