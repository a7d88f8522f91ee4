using System.Text.RegularExpressions;
using MySqlConnector;

namespace ConcertBooking.Tests.Support;

/// <summary>The users of deploy/security.md, made by its own statements for one database.</summary>
internal static partial class DocumentedGrants
{
    /// <summary>What security.md calls the user that serves.</summary>
    public const string Service = "booking_service";

    /// <summary>What it calls the one that migrates.</summary>
    public const string Migrate = "booking_migrate";

    /// <summary>What it calls the one for people, who look at other users' statements and end them.</summary>
    public const string Operator = "booking_operator";

    /// <summary>Runs the statements, with names that belong to this database alone.</summary>
    /// <returns>Who connects as the given user.</returns>
    public static async Task<Database> GrantAsync(Database database, string user)
    {
        var connection = new MySqlConnectionStringBuilder(database.ConnectionString);
        var text = await File.ReadAllTextAsync(Repository.PathOf("deploy/security.md"));
        var statements = SqlBlock().Matches(text)
            .Single(static block => block.Value.Contains("GRANT", StringComparison.Ordinal)).Groups["sql"].Value;
        foreach (var name in (string[])[Service, Migrate, Operator])
        {
            statements = statements.Replace($"'{name}'@'%'", $"'{UserOf(connection, name)}'@'127.0.0.1'", StringComparison.Ordinal);
        }

        if ((await database.ScalarAsync<string>("SELECT VERSION()"))!.Contains("MariaDB", StringComparison.Ordinal))
        {
            statements = statements.Replace("CONNECTION_ADMIN", "CONNECTION ADMIN", StringComparison.Ordinal);
        }

        foreach (var statement in statements.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            await database.ExecuteAsync(statement
                .Replace("CREATE USER", "CREATE USER IF NOT EXISTS", StringComparison.Ordinal)
                .Replace("booking.*", $"`{connection.Database}`.*", StringComparison.Ordinal)
                .Replace("'…'", $"'{connection.Password}'", StringComparison.Ordinal));
        }
        connection.UserID = UserOf(connection, user);
        return new Database(connection.ConnectionString);
    }

    /// <summary>A user's name has 32 characters at most.</summary>
    private static string UserOf(MySqlConnectionStringBuilder connection, string user) =>
        $"{user["booking_".Length]}_{connection.Database[..Math.Min(24, connection.Database.Length)]}";

    [GeneratedRegex(@"```sql\n(?<sql>.*?)\n\s*```", RegexOptions.Singleline)]
    private static partial Regex SqlBlock();
}
