using MySqlConnector;

namespace ConcertBooking.Tests.Support;

/// <summary>A server that takes no writes of ordinary users, as a primary that was demoted: its connections live on.</summary>
internal sealed class ReadOnlyServer : IAsyncDisposable
{
    private readonly MySqlConnection _root;

    private ReadOnlyServer(MySqlConnection root) => _root = root;

    /// <param name="database">As a user who may set global variables.</param>
    public static async Task<ReadOnlyServer> DemoteAsync(Database database)
    {
        var root = await database.OpenAsync();
        // MariaDB knows no stricter kind.
        var variable = root.ServerVersion.Contains("MariaDB", StringComparison.Ordinal) ? "read_only" : "super_read_only";
        await ExecuteAsync(root, $"SET GLOBAL {variable} = 1");
        return new ReadOnlyServer(root);
    }

    public async Task PromoteAsync() => await ExecuteAsync(_root, "SET GLOBAL read_only = 0");

    public async ValueTask DisposeAsync()
    {
        await PromoteAsync();
        await _root.DisposeAsync();
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
