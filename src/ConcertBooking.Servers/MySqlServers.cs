using MySqlConnector;

namespace ConcertBooking.Servers;

/// <summary>Finds or starts a MySQL (or MariaDB) with the service's database in it.</summary>
internal static class MySqlServers
{
    /// <summary>The connection setting that names a server.</summary>
    public const string Setting = "ConnectionStrings__MySql";

    /// <summary>Names the mysqld or mariadbd to use; Docker is then not asked for MySQL.</summary>
    public const string ProgramSetting = "CONCERT_BOOKING_MYSQLD";

    private const string Image = "mysql:9.7";

    // Not a secret: the servers started here listen on loopback only and hold nothing but test data.
    private const string Password = "concert-booking";

    /// <inheritdoc cref="ServerSet.FindAsync"/>
    public static Task<Server> StartAsync(
        ServerOptions options, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        var named = Environment.GetEnvironmentVariable(ProgramSetting);
        var sources = new ServerSources(
            "MySQL",
            Setting,
            UseNamedAsync,
            token => StartContainerAsync(options, progress, token),
            token => StartLocalAsync(named, options, progress, token),
            $"No MySQL: start Docker, or install mysqld or mariadbd{Apt.Hint(Apt.MariaDb)}, or name a server in {Setting}.")
        {
            LocalOnly = !string.IsNullOrEmpty(named) || options.TlsFolder is not null || options.MySqlArguments.Count > 0,
        };
        return ServerFinder.FindAsync(sources, options, progress, cancellationToken);
    }

    /// <summary>Creates an empty database beside the given one on a running server.</summary>
    /// <returns>The connection string that names the new database.</returns>
    public static async Task<string> CreateDatabaseAsync(Server server, string name, CancellationToken cancellationToken = default)
    {
        await ExecuteAsync(WithoutDatabase(server.ConnectionString), CreateDatabase(name), cancellationToken);
        return new MySqlConnectionStringBuilder(server.ConnectionString) { Database = name }.ConnectionString;
    }

    /// <summary>Drops what <see cref="CreateDatabaseAsync"/> created.</summary>
    public static Task DropDatabaseAsync(Server server, string name, CancellationToken cancellationToken = default) =>
        ExecuteAsync(WithoutDatabase(server.ConnectionString), $"DROP DATABASE IF EXISTS `{name.Replace("`", "``")}`", cancellationToken);

    private static string CreateDatabase(string name) =>
        $"CREATE DATABASE IF NOT EXISTS `{name.Replace("`", "``")}` CHARACTER SET utf8mb4";

    private static async Task<Server> UseNamedAsync(string connectionString, CancellationToken cancellationToken)
    {
        try
        {
            var database = new MySqlConnectionStringBuilder(connectionString).Database;
            if (database.Length > 0)
            {
                await ExecuteAsync(WithoutDatabase(connectionString), CreateDatabase(database), cancellationToken);
            }

            var version = await ExecuteAsync(connectionString, "SELECT VERSION()", cancellationToken);
            var kind = $"{version}".Contains("MariaDB", StringComparison.Ordinal) ? "MariaDB" : "MySQL";
            return new NamedServer(Setting, connectionString, $"{kind} {version}");
        }
        catch (Exception exception) when (exception is MySqlException or ArgumentException)
        {
            throw new ServerNotFoundException($"The MySQL named by {Setting} cannot be used: {exception.Message}", exception);
        }
    }

    private static Task<Server?> StartContainerAsync(
        ServerOptions options, IProgress<string>? progress, CancellationToken cancellationToken) =>
        ContainerServer.TryStartAsync(
            Image,
            port => new ContainerPlan(
                "MySQL",
                Containers.MySql(Image, port, options, Password),
                ConnectionString(port, options),
                token => ProbeAsync(ConnectionString(port, options), token))
            { Volume = Containers.VolumeName(options, Containers.MySqlVolume) },
            progress,
            cancellationToken);

    private static async Task<Server?> StartLocalAsync(
        string? named, ServerOptions options, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (!string.IsNullOrEmpty(named) && !Programs.IsExecutable(named))
        {
            throw new ServerNotFoundException($"{ProgramSetting} names {named}, which is not a program.");
        }

        var path = string.IsNullOrEmpty(named) ? await Apt.FindOrInstallAsync(Apt.MariaDb, progress, cancellationToken) : named;
        if (path is null)
        {
            return null;
        }

        var program = await MySqlProgram.InspectAsync(path, cancellationToken);
        var folder = await ServerFolder.OpenAsync(options.DataDirectory, program.FolderName, progress, cancellationToken);
        try
        {
            var data = Path.Combine(folder.Path, "data");
            if (options.Persistent && !Directory.Exists(data))
            {
                progress?.Report($"{program.Name}: making a new data folder {folder.Path}");
            }

            await program.InitializeAsync(data, cancellationToken);

            // Run at every start, before the first connection is taken.
            var initFile = Path.Combine(folder.Path, "init.sql");
            await File.WriteAllTextAsync(initFile, InitSql(options.Database), cancellationToken);

            var port = Ports.Take();
            var connectionString = ConnectionString(port, options);
            var server = new ProcessServer(new ServerProgram(
                program.Name, path, port, connectionString,
                program.RunArguments(data, initFile, port, options))
            {
                Folder = folder,
                ProbeAsync = token => ProbeAsync(connectionString, token),
            });
            return await server.StartOrDisposeAsync(cancellationToken);
        }
        catch
        {
            await folder.DisposeAsync();
            throw;
        }
    }

    // Without name resolution, root@localhost is for the socket alone.
    private static string InitSql(string database) => $"""
        CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '{Password}';
        ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '{Password}';
        GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
        {CreateDatabase(database)};

        """;

    private static string ConnectionString(int port, ServerOptions options) => new MySqlConnectionStringBuilder
    {
        Server = ContainerServer.Host,
        Port = (uint)port,
        UserID = "root",
        Password = Password,
        Database = options.Database,
        // Loopback: TLS would cost without protecting anything.
        SslMode = MySqlSslMode.None,
        AllowPublicKeyRetrieval = true,
    }.ConnectionString;

    private static string WithoutDatabase(string connectionString) =>
        new MySqlConnectionStringBuilder(connectionString) { Database = "", Pooling = false }.ConnectionString;

    private static Task<object?> ProbeAsync(string connectionString, CancellationToken cancellationToken) =>
        ExecuteAsync(connectionString, "SELECT 1", cancellationToken);

    private static async Task<object?> ExecuteAsync(string connectionString, string sql, CancellationToken cancellationToken)
    {
        var settings = new MySqlConnectionStringBuilder(connectionString) { Pooling = false, ConnectionTimeout = 5 };
        await using var connection = new MySqlConnection(settings.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand(sql, connection) { CommandTimeout = 5 };
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}
