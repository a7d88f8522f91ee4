namespace ConcertBooking.Servers;

/// <summary>
/// A running MySQL, Redis or Kafka server, with fault injection; address and data survive every fault below.
/// </summary>
public abstract class Server : IAsyncDisposable
{
    /// <summary>The value of the service's connection setting.</summary>
    public abstract string ConnectionString { get; }

    /// <summary>For display: what it is and where it runs, e.g. <c>MySQL 9.7.4 (process 1234, /usr/sbin/mysqld, port 21045)</c>.</summary>
    public abstract string Description { get; }

    /// <summary>False for a server that is managed externally: the methods below then throw <see cref="NotSupportedException"/>.</summary>
    public virtual bool CanBeBroken => true;

    /// <summary>Starts a stopped or killed server on its old port and data; returns when it answers. Does nothing when it runs.</summary>
    public abstract Task StartAsync(CancellationToken cancellationToken = default);

    /// <summary>Stops the server gracefully and waits until it has ended.</summary>
    public abstract Task StopAsync(CancellationToken cancellationToken = default);

    /// <summary>Kills the server.</summary>
    public abstract Task KillAsync(CancellationToken cancellationToken = default);

    /// <summary>Freezes the server: connections stay open, nothing is answered.</summary>
    public abstract Task PauseAsync(CancellationToken cancellationToken = default);

    /// <summary>Resumes a paused server.</summary>
    public abstract Task ResumeAsync(CancellationToken cancellationToken = default);

    /// <summary>Ends the server if it is ours; temporary data are deleted.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Starts a new server, and cleans up when that fails.</summary>
    internal async Task<Server> StartOrDisposeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await StartAsync(cancellationToken);
            return this;
        }
        catch
        {
            // A database that is still starting ignores a graceful stop.
            await KillAsync(CancellationToken.None);
            await DisposeAsync();
            throw;
        }
    }
}
