namespace ConcertBooking.Servers;

/// <summary>Options for the servers to find or start.</summary>
public sealed record ServerOptions
{
    /// <summary>Folder for data that survive a restart; null: temporary data, cheap durability, deleted on dispose.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>
    /// Whether a server named by <c>ConnectionStrings__MySql</c>, <c>ConnectionStrings__Redis</c> or
    /// <c>ConnectionStrings__Kafka</c> may be used. False for tests that kill servers.
    /// </summary>
    public bool AllowNamed { get; init; } = true;

    /// <summary>Name of the database that is created on MySQL.</summary>
    public string Database { get; init; } = "concert_booking";

    /// <summary>
    /// Folder with ca.pem, server.pem and server.key: MySQL then offers TLS, and Redis speaks it on
    /// <see cref="RedisTlsPort"/> besides. Such servers are processes on this machine.
    /// </summary>
    public string? TlsFolder { get; init; }

    public int RedisTlsPort { get; init; }

    /// <summary>Further arguments of mysqld or mariadbd, which is then a process on this machine.</summary>
    public IReadOnlyList<string> MySqlArguments { get; init; } = [];

    internal bool Persistent => DataDirectory is not null;
}

/// <summary>No source could provide a server; the message is one sentence on what to do.</summary>
public sealed class ServerNotFoundException(string message, Exception? inner = null) : Exception(message, inner);
