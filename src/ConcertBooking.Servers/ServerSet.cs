using System.Runtime.ExceptionServices;

namespace ConcertBooking.Servers;

/// <summary>The three servers that the service needs, found or started in parallel.</summary>
public sealed class ServerSet : IAsyncDisposable
{
    private ServerSet(Server mySql, Server redis, Server kafka) => (MySql, Redis, Kafka) = (mySql, redis, kafka);

    public Server MySql { get; }

    public Server Redis { get; }

    public Server Kafka { get; }

    /// <summary>The service's connection settings, as environment variables.</summary>
    public Dictionary<string, string?> Settings => new()
    {
        [MySqlServers.Setting] = MySql.ConnectionString,
        [RedisServers.Setting] = Redis.ConnectionString,
        [KafkaServers.Setting] = Kafka.ConnectionString,
    };

    /// <summary>Finds or starts all three; when one fails, the others are stopped.</summary>
    /// <exception cref="ServerNotFoundException">No source provides a server; the message says what to install.</exception>
    public static async Task<ServerSet> FindAsync(
        ServerOptions options, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<Server>[] starts =
        [
            Task.Run(() => MySqlServers.StartAsync(options, progress, stop.Token), stop.Token),
            Task.Run(() => RedisServers.StartAsync(options, progress, stop.Token), stop.Token),
            Task.Run(() => KafkaServers.StartAsync(options, progress, stop.Token), stop.Token),
        ];

        // Missing servers are reported together; any other failure stops the rest.
        var missing = new List<ServerNotFoundException>();
        Exception? failure = null;
        await foreach (var start in Task.WhenEach(starts).WithCancellation(CancellationToken.None))
        {
            try
            {
                await start;
            }
            catch (ServerNotFoundException exception)
            {
                missing.Add(exception);
            }
            catch (Exception exception)
            {
                failure ??= exception;
                await stop.CancelAsync();
            }
        }

        if (failure is not null || missing.Count > 0)
        {
            foreach (var start in starts.Where(start => start.IsCompletedSuccessfully))
            {
                await (await start).DisposeAsync();
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (failure is not null)
            {
                ExceptionDispatchInfo.Throw(failure);
            }

            throw new ServerNotFoundException(string.Join('\n', missing.Select(one => one.Message).Distinct()), missing[0]);
        }

        return new ServerSet(await starts[0], await starts[1], await starts[2]);
    }

    public async ValueTask DisposeAsync() =>
        await Task.WhenAll(MySql.DisposeAsync().AsTask(), Redis.DisposeAsync().AsTask(), Kafka.DisposeAsync().AsTask());
}
