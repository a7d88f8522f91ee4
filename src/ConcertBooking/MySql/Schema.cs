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

    private static readonly Migration[] All = Load();

    /// <summary>The number of the last migration, or -1 when a procedure of this build is missing.</summary>
    public string StateSql { get; } = $"""
        SELECT IF((SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = DATABASE()
                   AND routine_name IN ({string.Join(", ", procedures.Select(static procedure => $"'{procedure.Name}'"))})) < {procedures.Count},
                  -1, MAX(number)) FROM schema_migration
        """;

    /// <summary>The schema that this build was written for.</summary>
    public static int Latest => All[^1].Number;

    /// <summary>Brings the schema up to date, reporting each step; a second process waits for the first and finds nothing to do.</summary>
    /// <returns>How many migrations were applied and procedures made.</returns>
    /// <exception cref="InvalidOperationException">An applied migration is not the one that this build knows.</exception>
    public async Task<int> ApplyAsync(string connectionString, Action<string> report, CancellationToken cancellationToken)
    {
        var settings = MySqlSession.Settings(connectionString);
        (settings.Pooling, settings.DefaultCommandTimeout, settings.ConnectionTimeout) = (false, MySqlLimits.MigrationSeconds, 5);
        await using var source = MySqlSession.Source(settings);
        await using var connection = await source.OpenConnectionAsync(cancellationToken);

        // The lock ends with the connection, so a killed migration blocks nobody.
        var lockName = $"concert_booking.migrate.{settings.Database}";
        lockName = lockName.Length > 64 ? lockName[..64] : lockName;
        await using (var takeLock = new MySqlCommand("SELECT GET_LOCK(@name, 300)", connection))
        {
            takeLock.Parameters.AddWithValue("@name", lockName);
            if (Convert.ToInt32(await takeLock.ExecuteScalarAsync(cancellationToken)) != 1)
            {
                throw new InvalidOperationException("another migration has been running for 5 minutes");
            }
        }

        await ExecuteAsync(connection, HistorySql, cancellationToken);
        var applied = await AppliedAsync(connection, cancellationToken);
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
            await ExecuteAsync(connection, migration.Sql, cancellationToken);
            await using var record = new MySqlCommand("INSERT INTO schema_migration (number, name, checksum) VALUES (@number, @name, @checksum)", connection);
            record.Parameters.AddWithValue("@number", migration.Number);
            record.Parameters.AddWithValue("@name", migration.Name);
            record.Parameters.AddWithValue("@checksum", migration.Checksum);
            await record.ExecuteNonQueryAsync(cancellationToken);
            count++;
        }

        foreach (var procedure in procedures)
        {
            await using var find = new MySqlCommand(
                "SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_name = @name", connection);
            find.Parameters.AddWithValue("@name", procedure.Name);
            if (Convert.ToInt32(await find.ExecuteScalarAsync(cancellationToken)) == 0)
            {
                report($"making {procedure.Name}");
                await ExecuteAsync(connection, procedure.CreateSql, cancellationToken);
                count++;
            }
        }

        return count;
    }

    private static async Task<Dictionary<int, string>> AppliedAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand("SELECT number, checksum FROM schema_migration", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var applied = new Dictionary<int, string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            applied.Add(reader.GetInt32(0), reader.GetString(1));
        }

        return applied;
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
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
                return new Migration(int.Parse(name.AsSpan(0, 3), System.Globalization.CultureInfo.InvariantCulture), name, reader.ReadToEnd());
            })];
    }
}
