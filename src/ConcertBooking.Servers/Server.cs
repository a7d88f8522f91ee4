namespace ConcertBooking.Servers;

/// <summary>
/// A MySQL, Redis or Kafka that answers. Whoever started it can break it; address and data outlive every fault below.
/// </summary>
public abstract class Server : IAsyncDisposable
{
    /// <summary>What the service's connection setting takes.</summary>
    public abstract string ConnectionString { get; }

    /// <summary>For people: what it is, where it runs, e.g. <c>MySQL 9.7.4 (process 1234, /usr/sbin/mysqld, port 21045)</c>.</summary>
    public abstract string Description { get; }

    /// <summary>False for a server somebody else runs: the calls below then throw <see cref="NotSupportedException"/>.</summary>
    public virtual bool CanBeBroken => true;

    /// <summary>Starts a stopped or killed server on its old port and data; returns when it answers. Does nothing when it runs.</summary>
    public abstract Task StartAsync(CancellationToken cancellationToken = default);

    /// <summary>Asks the server to finish and waits until it is gone.</summary>
    public abstract Task StopAsync(CancellationToken cancellationToken = default);

    /// <summary>Ends the server without warning.</summary>
    public abstract Task KillAsync(CancellationToken cancellationToken = default);

    /// <summary>Freezes the server: connections stay open, nothing is answered.</summary>
    public abstract Task PauseAsync(CancellationToken cancellationToken = default);

    /// <summary>Lets a paused server go on.</summary>
    public abstract Task ResumeAsync(CancellationToken cancellationToken = default);

    /// <summary>Ends the server if it is ours; temporary data are deleted.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Starts a new server, and cleans up behind one that did not make it.</summary>
    internal async Task<Server> StartOrDisposeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await StartAsync(cancellationToken);
            return this;
        }
        catch
        {
            // A database that is still starting is deaf to a polite request.
            await KillAsync(CancellationToken.None);
            await DisposeAsync();
            throw;
        }
    }
}
