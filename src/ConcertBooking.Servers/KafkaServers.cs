using System.Net.Sockets;
using Confluent.Kafka;

namespace ConcertBooking.Servers;

/// <summary>Finds or starts a Kafka: a real one where there is Docker, else librdkafka's mock cluster.</summary>
internal static class KafkaServers
{
    /// <summary>The connection setting that names the bootstrap servers.</summary>
    public const string Setting = "ConnectionStrings__Kafka";

    private const string Image = "apache/kafka:4.1.0";

    /// <inheritdoc cref="ServerSet.FindAsync"/>
    public static Task<Server> StartAsync(
        ServerOptions options, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        var sources = new ServerSources(
            "Kafka",
            Setting,
            UseNamedAsync,
            token => ContainerServer.TryStartAsync(Image, port => Plan(port, options), progress, token),
            token => StartMockAsync(options, token),
            "No Kafka.");
        // Containers are preferred, but this image is not required: the mock always works.
        return ServerFinder.FindAsync(sources with { AlwaysStartsLocally = true }, options, progress, cancellationToken);
    }

    private static ContainerPlan Plan(int port, ServerOptions options)
    {
        var address = $"{ContainerServer.Host}:{port}";
        return new ContainerPlan("Kafka", Containers.Kafka(Image, port, options), address, token => ProbeAsync(address, token));
    }

    // Tests freeze their Kafka, which needs a process of its own; the DevHost runs it in its own process.
    private static async Task<Server?> StartMockAsync(ServerOptions options, CancellationToken cancellationToken) =>
        options.Persistent ? new MockKafka() : await MockKafkaProcess.StartNewAsync(cancellationToken);

    private static async Task<Server> UseNamedAsync(string bootstrapServers, CancellationToken cancellationToken)
    {
        try
        {
            await ProbeAsync(bootstrapServers, cancellationToken);
            return new NamedServer(Setting, bootstrapServers, $"Kafka {bootstrapServers}");
        }
        catch (Exception exception) when (exception is KafkaException or SocketException)
        {
            throw new ServerNotFoundException($"The Kafka named by {Setting} cannot be used: {exception.Message}", exception);
        }
    }

    // The client library only has a blocking call for this.
    private static Task ProbeAsync(string bootstrapServers, CancellationToken cancellationToken) => Task.Factory.StartNew(
        () =>
        {
            using var client = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = bootstrapServers })
                .SetLogHandler((_, _) => { })
                .Build();
            client.GetMetadata(TimeSpan.FromSeconds(10));
        },
        cancellationToken,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);
}
