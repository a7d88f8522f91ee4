using System.Text.RegularExpressions;

namespace ConcertBooking.Servers;

/// <summary>A mysqld or mariadbd program: its version, how it initializes a data folder, and its arguments.</summary>
internal sealed partial record MySqlProgram(string Path, string Version, bool IsMariaDb)
{
    // The system tables without help texts, sys schema and GIS procedures: a third of a second instead of three.
    private static readonly string[] MariaDbScripts =
        ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"];

    public string Name => IsMariaDb ? $"MariaDB {Version}" : $"MySQL {Version}";

    /// <summary>Data of another program or major version must not be opened.</summary>
    public string FolderName => IsMariaDb ? "mariadb" : $"mysql-{Version.Split('.')[0]}";

    private static string[] UserArguments => Environment.IsPrivilegedProcess ? ["--user=root"] : [];

    /// <summary>One for each server: MariaDB deletes the temporary tables that it finds there when it starts.</summary>
    private static string TemporaryFolder(string data) => $"--tmpdir={System.IO.Path.GetDirectoryName(data)}";

    public static async Task<MySqlProgram> InspectAsync(string path, CancellationToken cancellationToken)
    {
        var (exitCode, log) = await Programs.RunAsync(path, ["--no-defaults", "--version"], cancellationToken: cancellationToken);
        var text = string.Join(' ', log.Lines());
        var version = VersionNumber().Match(text);
        if (exitCode != 0 || !version.Success)
        {
            throw new ServerNotFoundException($"{path} does not report a MySQL or MariaDB version: {text}");
        }

        return new MySqlProgram(path, version.Value, text.Contains("MariaDB", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Fills an empty data folder; one that is complete is left alone, one that was interrupted starts again.</summary>
    public async Task InitializeAsync(string data, CancellationToken cancellationToken)
    {
        if (Directory.Exists(data))
        {
            return;
        }

        var unfinished = data + ".new";
        if (Directory.Exists(unfinished))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        ServerFolder.CreatePrivate(unfinished);

        string[] common = ["--no-defaults", .. UserArguments, $"--datadir={unfinished}", TemporaryFolder(data)];
        var (exitCode, log) = IsMariaDb
            ? await Programs.RunAsync(
                Path,
                [
                    .. common, "--bootstrap", "--skip-name-resolve", "--skip-log-bin", "--enforce-storage-engine=",
                    "--max-allowed-packet=8M",
                ],
                input: await MariaDbSystemTablesAsync(cancellationToken),
                cancellationToken: cancellationToken)
            : await Programs.RunAsync(Path, [.. common, "--initialize-insecure", "--skip-log-bin"], cancellationToken: cancellationToken);
        if (exitCode != 0)
        {
            throw new InvalidOperationException($"{Path} could not make its data folder {data}:\n{log.Tail()}");
        }

        Directory.Move(unfinished, data);
    }

    public string[] RunArguments(string data, string initFile, int port, ServerOptions options) =>
    [
        "--no-defaults",
        .. UserArguments,
        $"--datadir={data}",
        TemporaryFolder(data),
        $"--init-file={initFile}",
        $"--port={port}",
        "--bind-address=127.0.0.1",
        // Relative to the data folder: a full path may be longer than the 107 characters a socket's name can have.
        "--socket=server.sock",
        "--skip-name-resolve",
        "--default-time-zone=+00:00",
        "--character-set-server=utf8mb4",
        "--max-connections=500",
        "--innodb-buffer-pool-size=256M",
        "--performance-schema=OFF",
        "--skip-log-bin",
        .. (string[])(IsMariaDb ? [] : ["--mysqlx=OFF"]),
        .. (string[])(options.Persistent ? [] : ["--innodb-flush-log-at-trx-commit=2"]),
        .. (string[])(options.TlsFolder is { } tls
            ? [$"--ssl-ca={tls}/ca.pem", $"--ssl-cert={tls}/server.pem", $"--ssl-key={tls}/server.key"]
            : []),
        .. options.MySqlArguments,
    ];

    /// <summary>
    /// The input that mariadb-install-db sends to the server, without that script: it needs programs of the client package.
    /// </summary>
    private async Task<string> MariaDbSystemTablesAsync(CancellationToken cancellationToken)
    {
        var prefix = System.IO.Path.GetDirectoryName(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path)))!;
        string[] places = [$"{prefix}/share/mysql", $"{prefix}/share/mariadb", $"{prefix}/share", "/usr/share/mysql", "/usr/share/mariadb"];
        var folder = Array.Find(places, place => MariaDbScripts.All(script => File.Exists($"{place}/{script}")))
            ?? throw new ServerNotFoundException(
                $"{Path} is MariaDB, but its scripts ({MariaDbScripts[0]}, ...) are in none of {string.Join(", ", places)}.");

        var scripts = new List<string> { "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n" };
        foreach (var script in MariaDbScripts)
        {
            scripts.Add(await File.ReadAllTextAsync($"{folder}/{script}", cancellationToken));
        }

        return string.Join('\n', scripts);
    }

    [GeneratedRegex(@"\d+\.\d+\.\d+")]
    private static partial Regex VersionNumber();
}
