using System.Collections.Concurrent;
using System.Text;
using ConcertBooking.Servers;
using MySqlConnector;

namespace ConcertBooking.Tests.Support;

/// <summary>Whoever is on call and does what a section of the runbook says, word for word.</summary>
internal sealed class OnCall : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly ConcurrentDictionary<RunbookBlock, bool> RanBlocks = new();

    private const string AsOperator = $"-- as {DocumentedGrants.Operator}";

    private readonly string _section;
    private readonly Database _database;
    private readonly Dictionary<string, Database> _users = [];
    private readonly DirectoryInfo _programs = Directory.CreateTempSubdirectory("concert-booking-on-call-");

    /// <param name="section">Its heading.</param>
    /// <param name="database">Where <c>mysql</c> is.</param>
    /// <param name="settings">Those of the service.</param>
    public OnCall(string section, Database database, IReadOnlyDictionary<string, string?> settings)
    {
        (_section, _database) = (section, database);
        File.CreateSymbolicLink(Path.Combine(_programs.FullName, "concert-booking"), ServiceProcess.BinaryPath);
        Environment = new Dictionary<string, string?>(settings)
        {
            ["PATH"] = $"{_programs.FullName}:{System.Environment.GetEnvironmentVariable("PATH")}",
        };
    }

    /// <summary>Looks after the first instance of a fleet, with the variables that the runbook asks for.</summary>
    public OnCall(string section, Fleet fleet, IReadOnlyDictionary<string, string?> settings, string queue = "main")
        : this(section, fleet.Database, settings)
    {
        var instance = fleet.Members[0].Instance;
        Environment[MySqlServers.Setting] = fleet.Database.ConnectionString;
        Environment["api"] = instance.Api.Address.OriginalString.TrimEnd('/');
        Environment["management"] = instance.Management.Address.OriginalString.TrimEnd('/');
        Environment["admin"] = fleet.Admin.AccessToken;
        Environment["queue"] = queue;
    }

    /// <summary>The shell's variables.</summary>
    public Dictionary<string, string?> Environment { get; private set; }

    /// <summary>The blocks that ended well in this run, in whatever test.</summary>
    public static IEnumerable<RunbookBlock> Ran => RanBlocks.Keys;

    /// <summary>Runs a block of shell; fails when any of its commands does.</summary>
    /// <param name="number">Of the block, in its section.</param>
    /// <param name="user">Which of the users of deploy/security.md the service's setting names.</param>
    /// <returns>What it printed.</returns>
    public async Task<string> ShellAsync(int number, string user = DocumentedGrants.Service)
    {
        var block = Find(number, "sh");
        if (Environment.ContainsKey(MySqlServers.Setting))
        {
            Environment[MySqlServers.Setting] = (await UserAsync(user)).ConnectionString;
        }

        var output = await ShellAsync(block.Text);
        RanBlocks[block] = true;
        return output;
    }

    /// <summary>Runs a block of shell and keeps what it exported or unset for the blocks, and the services, to come.</summary>
    public async Task ExportAsync(int number)
    {
        var block = Find(number, "sh");
        var left = (await ShellAsync($"{block.Text}\nenv")).Split('\n').Select(static line => line.Split('=', 2))
            .Where(static pair => pair.Length == 2).ToDictionary(static pair => pair[0], static pair => (string?)pair[1]);
        Environment = new(Environment.Keys.Union(left.Keys).Select(name => KeyValuePair.Create(name, left.GetValueOrDefault(name))));
        RanBlocks[block] = true;
    }

    /// <summary>Runs a block of SQL as the service's user, or as the operator where it says so.</summary>
    /// <returns>Every row of every result.</returns>
    public async Task<List<string[]>> SqlAsync(int number, params (string Name, object Value)[] variables)
    {
        var block = Find(number, "sql");
        var user = await UserAsync(
            block.Text.StartsWith(AsOperator, StringComparison.Ordinal) ? DocumentedGrants.Operator : DocumentedGrants.Service);
        await using var connection = await user.OpenAsync();
        await using var command = new MySqlCommand(block.Text, connection);
        foreach (var (name, value) in variables)
        {
            command.Parameters.AddWithValue(name, value);
        }

        var rows = new List<string[]>();
        await using (var reader = await command.ExecuteReaderAsync())
        {
            do
            {
                while (await reader.ReadAsync())
                {
                    rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(column => Text(reader.GetValue(column)))]);
                }
            }
            while (await reader.NextResultAsync());
        }
        RanBlocks[block] = true;
        return rows;
    }

    public void Dispose() => _programs.Delete(recursive: true);

    private async Task<Database> UserAsync(string user) =>
        _users.TryGetValue(user, out var known) ? known : _users[user] = await DocumentedGrants.GrantAsync(_database, user);

    private async Task<string> ShellAsync(string script)
    {
        using var patience = new CancellationTokenSource(Patience);
        // -e: a block of two commands succeeds when both do.
        var (exitCode, log) = await Programs.RunAsync("/bin/sh", ["-ec", script], Environment, cancellationToken: patience.Token);
        if (exitCode != 0)
        {
            Assert.Fail($"'{_section}' of the runbook ended with {exitCode}:\n{script}\n{string.Join('\n', log.Lines())}");
        }

        return log.Text(isError: false);
    }

    private RunbookBlock Find(int number, string language)
    {
        var block = Runbook.Find(_section, number);
        return block.Language == language ? block
            : throw new InvalidOperationException($"Block {number} of '{_section}' is {block.Language}, not {language}.");
    }

    private static string Text(object value) => value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : $"{value}";
}
