using System.Security.Cryptography;
using System.Text;
using DotNet.Testcontainers.Builders;
using DotNet.Testcontainers.Configurations;
using DotNet.Testcontainers.Containers;
using Microsoft.Extensions.Logging.Abstractions;
using Testcontainers.Kafka;
using Testcontainers.MySql;
using Testcontainers.Redis;

namespace ConcertBooking.DevHost.Servers;

/// <summary>The containers, each with a fixed port on loopback so that it comes back where it was.</summary>
internal static class Containers
{
    private const string MySqlVolume = "mysql-9", RedisVolume = "redis-8";

    public static IContainer MySql(string image, int port, ServerOptions options, string password)
    {
        var builder = new MySqlBuilder(image)
            .WithUsername("root")
            .WithPassword(password)
            .WithDatabase(options.Database)
            .WithCommand(
                "--skip-name-resolve", "--default-time-zone=+00:00", "--character-set-server=utf8mb4",
                "--max-connections=500", "--innodb-buffer-pool-size=256M", "--skip-log-bin");
        if (!options.Persistent)
            builder = builder.WithCommand("--innodb-flush-log-at-trx-commit=2");
        return Common<MySqlBuilder, MySqlContainer, MySqlConfiguration>(
            builder, port, MySqlBuilder.MySqlPort, options, MySqlVolume, "/var/lib/mysql").Build();
    }

    public static IContainer Redis(string image, int port, ServerOptions options, string[] durability) =>
        Common<RedisBuilder, RedisContainer, RedisConfiguration>(
            new RedisBuilder(image).WithCommand(["redis-server", "--protected-mode", "no", .. durability]),
            port, RedisBuilder.RedisPort, options, RedisVolume, "/data").Build();

    public static KafkaContainer Kafka(string image, int port, ServerOptions options) =>
        Common<KafkaBuilder, KafkaContainer, KafkaConfiguration>(
            new KafkaBuilder(image), port, KafkaBuilder.KafkaPort, options with { DataDirectory = null }, "kafka", "").Build();

    /// <summary>The volumes in which containers keep what belongs to one data folder.</summary>
    public static string[] VolumeNames(string dataDirectory) => [VolumeName(dataDirectory, MySqlVolume), VolumeName(dataDirectory, RedisVolume)];

    // A volume instead of a folder of ours: the container's user would own the files there, and only root could delete them.
    private static string VolumeName(string dataDirectory, string kind)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(dataDirectory)));
        return $"concert-booking-{kind}-{Convert.ToHexStringLower(hash)[..12]}";
    }

    private static TBuilder Common<TBuilder, TContainer, TConfiguration>(
        TBuilder builder, int port, int containerPort, ServerOptions options, string kind, string dataPath)
        where TBuilder : ContainerBuilder<TBuilder, TContainer, TConfiguration>
        where TContainer : IContainer
        where TConfiguration : IContainerConfiguration
    {
        builder = builder
            .WithLogger(NullLogger.Instance)
            .WithPortBinding(port, containerPort)
            .WithCreateParameterModifier(parameters =>
            {
                if (ContainerServer.Host != "127.0.0.1")
                    return; // a remote engine: loopback would be its own
                foreach (var binding in parameters.HostConfig!.PortBindings!.Values.SelectMany(bindings => bindings))
                    binding.HostIP = "127.0.0.1";
            });
        return options.DataDirectory is null ? builder : builder.WithVolumeMount(VolumeName(options.DataDirectory, kind), dataPath);
    }
}
