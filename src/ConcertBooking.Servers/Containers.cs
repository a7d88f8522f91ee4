using System.Security.Cryptography;
using System.Text;
using DotNet.Testcontainers.Builders;
using DotNet.Testcontainers.Configurations;
using DotNet.Testcontainers.Containers;
using Microsoft.Extensions.Logging.Abstractions;
using Testcontainers.Kafka;
using Testcontainers.MySql;
using Testcontainers.Redis;

namespace ConcertBooking.Servers;

/// <summary>Builds the containers, each with a fixed port on loopback, so that it keeps its address after a restart.</summary>
internal static class Containers
{
    public const string MySqlVolume = "mysql-9", RedisVolume = "redis-8";

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
        {
            builder = builder.WithCommand("--innodb-flush-log-at-trx-commit=2");
        }

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

    /// <summary>
    /// The volume that keeps what belongs to one data folder; null for temporary data. A volume instead of a folder of
    /// ours: the container's user would own the files there, and only root could delete them.
    /// </summary>
    public static string? VolumeName(ServerOptions options, string kind)
    {
        if (options.DataDirectory is null)
        {
            return null;
        }

        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(options.DataDirectory)));
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
            // ContainerServer probes from outside and more often; the modules' own waits cost seconds.
            .WithWaitStrategy(Wait.ForUnixContainer().AddCustomWaitStrategy(new NoWait()))
            .WithPortBinding(port, containerPort)
            .WithCreateParameterModifier(parameters =>
            {
                if (ContainerServer.Host != "127.0.0.1")
                {
                    return; // a remote engine: loopback would be its own
                }

                foreach (var binding in parameters.HostConfig!.PortBindings!.Values.SelectMany(bindings => bindings))
                {
                    binding.HostIP = "127.0.0.1";
                }
            });
        return VolumeName(options, kind) is { } volume ? builder.WithVolumeMount(volume, dataPath) : builder;
    }

    private sealed class NoWait : IWaitUntil
    {
        public Task<bool> UntilAsync(IContainer container) => Task.FromResult(true);
    }
}
