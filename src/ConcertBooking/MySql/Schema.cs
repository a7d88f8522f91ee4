using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using MySqlConnector;

namespace ConcertBooking.MySql;

/// <summary>
/// The numbered .sql files of Migrations/, applied in order, each once, by one process at a time, and then the stored
/// procedures of this build.
/// </summary>
/// <param name="procedures">Those of the slices.</param>
internal sealed class Schema(IReadOnlyCollection<StoredProcedure> procedures)
{
    private sealed record Migration(int Number, string Name, string Sql)
    {
        public string Checksum { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql)));
    }

    private const string HistorySql = """
        CREATE TABLE IF NOT EXISTS schema_migration (
          number INT NOT NULL PRIMARY KEY,
          name VARCHAR(100) NOT NULL,
          checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
          applied_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
        """;

    /// <summary>Characters that MySQL takes of a lock's name.</summary>
    private const int MostLockName = 64;

    private static readonly Migration[] All = Load();

    /// <summary>The number of the last migration, or -1 when a procedure of this build is missing.</summary>
    public string StateSql { get; } = $"""
        SELECT IF((SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = DATABASE()
                     AND routine_name IN ('{string.Join("','", procedures.Select(static procedure => procedure.Name))}'))
                  < {procedures.Count}, -1, MAX(number)) FROM schema_migration
        """;

    /// <summary>The schema that this build was written for.</summary>
    public static int Latest => All[^1].Number;

    /// <summary>Brings the schema up to date; a second process waits for the first and finds nothing to do.</summary>
    /// <param name="connectionString">Of a user that may change the schema.</param>
    /// <param name="report">Gets each step before it is done.</param>
    /// <returns>How many migrations were applied and procedures created.</returns>
    /// <exception cref="InvalidOperationException">An applied migration is not the one that this build knows.</exception>
    public Task<int> ApplyAsync(string connectionString, Action<string> report) => RunAloneAsync(connectionString, async connection =>
    {
        await ExecuteAsync(connection, HistorySql);
        return await ApplyMigrationsAsync(connection, report) + await CreateProceduresAsync(connection, report);
    });

    /// <summary>Drops the stored procedures of other builds. An instance of another build that still runs becomes unready.</summary>
    /// <returns>How many were dropped.</returns>
    public Task<int> PruneAsync(string connectionString, Action<string> report) => RunAloneAsync(connectionString, async connection =>
    {
        var others = (await StoredProceduresAsync(connection)).Except(procedures.Select(static procedure => procedure.Name)).ToList();
        foreach (var name in others)
        {
            report($"dropping {name}");
            await ExecuteAsync(connection, $"DROP PROCEDURE IF EXISTS `{name}`");
        }

        return others.Count;
    });

    /// <summary>One process at a time. The lock ends with the connection, so a killed migration blocks nobody.</summary>
    private static async Task<int> RunAloneAsync(string connectionString, Func<MySqlConnection, Task<int>> work)
    {
        var settings = MySqlSession.Settings(connectionString);
        (settings.Pooling, settings.DefaultCommandTimeout, settings.ConnectionTimeout) = (false, MySqlLimits.MigrationSeconds, 5);
        await using var source = MySqlSession.Source(settings);
        await using var connection = await source.OpenConnectionAsync();
        var lockName = $"concert_booking.migrate.{settings.Database}";
        await using var takeLock = new MySqlCommand("SELECT GET_LOCK(@name, 300)", connection);
        takeLock.Parameters.AddWithValue("@name", lockName.Length > MostLockName ? lockName[..MostLockName] : lockName);
        return Convert.ToInt32(await takeLock.ExecuteScalarAsync(), CultureInfo.InvariantCulture) == 1
            ? await work(connection)
            : throw new InvalidOperationException("another migration has been running for 5 minutes");
    }

    private static async Task<int> ApplyMigrationsAsync(MySqlConnection connection, Action<string> report)
    {
        var applied = await AppliedAsync(connection);
        var count = 0;
        foreach (var migration in All)
        {
            if (applied.TryGetValue(migration.Number, out var checksum))
            {
                if (checksum != migration.Checksum)
                {
                    throw new InvalidOperationException($"migration {migration.Name} was changed after it had been applied");
                }

                continue;
            }

            report($"applying {migration.Name}");
            await ExecuteAsync(connection, migration.Sql);
            await using var record = new MySqlCommand(
                "INSERT INTO schema_migration (number, name, checksum) VALUES (@number, @name, @checksum)", connection);
            record.Parameters.AddWithValue("@number", migration.Number);
            record.Parameters.AddWithValue("@name", migration.Name);
            record.Parameters.AddWithValue("@checksum", migration.Checksum);
            await record.ExecuteNonQueryAsync();
            count++;
        }

        return count;
    }

    private async Task<int> CreateProceduresAsync(MySqlConnection connection, Action<string> report)
    {
        var existing = await StoredProceduresAsync(connection);
        var missing = procedures.Where(procedure => !existing.Contains(procedure.Name)).ToList();
        foreach (var procedure in missing)
        {
            report($"making {procedure.Name}");
            await ExecuteAsync(connection, procedure.CreateSql);
        }

        return missing.Count;
    }

    /// <summary>The names of those that a build of this service created: see <see cref="StoredProcedure.Name"/>.</summary>
    private static async Task<HashSet<string>> StoredProceduresAsync(MySqlConnection connection)
    {
        await using var command = new MySqlCommand(
            """
            SELECT routine_name FROM information_schema.routines
            WHERE routine_schema = DATABASE() AND routine_type = 'PROCEDURE' AND routine_name REGEXP '^[a-z_]+_[0-9a-f]{12}$'
            """, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync())
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }

    private static async Task<Dictionary<int, string>> AppliedAsync(MySqlConnection connection)
    {
        await using var command = new MySqlCommand("SELECT number, checksum FROM schema_migration", connection);
        await using var reader = await command.ExecuteReaderAsync();
        var applied = new Dictionary<int, string>();
        while (await reader.ReadAsync())
        {
            applied.Add(reader.GetInt32(0), reader.GetString(1));
        }

        return applied;
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static Migration[] Load()
    {
        var assembly = Assembly.GetExecutingAssembly();
        return [.. assembly.GetManifestResourceNames()
            .Where(name => name.EndsWith(".sql", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(name =>
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
                return new Migration(int.Parse(name.AsSpan(0, 3), CultureInfo.InvariantCulture), name, reader.ReadToEnd());
            })];
    }
}
