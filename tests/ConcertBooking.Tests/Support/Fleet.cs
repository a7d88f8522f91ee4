using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// Instances on a database of their own beside those of the rig, so that what they leave can be judged as a whole.
/// Each keeps its address when it is killed and started again. Events stay in the outbox, unless a Kafka is named.
/// </summary>
internal sealed class Fleet : IAsyncDisposable
{
    private readonly Rig _rig;
    private readonly Dictionary<string, string?> _changes;
    private readonly List<Member> _members = [];

    private Fleet(Rig rig, Database database, int size, IReadOnlyDictionary<string, string?> changes)
    {
        _rig = rig;
        Database = database;
        _changes = new Dictionary<string, string?>(changes);
        _changes.TryAdd(KafkaServers.Setting, null);
        _changes.TryAdd(MySqlServers.Setting, database.ConnectionString);
        _members.AddRange(Enumerable.Range(0, size).Select(_ => new Member(this, [])));
    }

    public Database Database { get; }

    public IReadOnlyList<Member> Members => _members;

    public Api this[int member] => Members[member].Api;

    public Visitor Admin => _rig.NewAdmin(this[0]);

    public Catalogue Catalogue => new(Admin);

    public static Task<Fleet> StartAsync(Rig rig, int size, params (string Name, string? Value)[] changes) =>
        StartAsync(rig, size, _ => changes);

    /// <param name="rig">Whose servers and keys are used.</param>
    /// <param name="size">How many instances.</param>
    /// <param name="changes">Differences to the rig's settings, which may depend on the new database.</param>
    public static async Task<Fleet> StartAsync(Rig rig, int size, Func<Database, (string Name, string? Value)[]> changes)
    {
        var database = await rig.AddDatabaseAsync();
        var fleet = new Fleet(rig, database, size, changes(database).ToDictionary(change => change.Name, change => change.Value));
        await Task.WhenAll(fleet.Members.Select(member => member.StartAsync()));
        return fleet;
    }

    /// <summary>One more instance, with differences of its own.</summary>
    public async Task<Member> AddAsync(params (string Name, string? Value)[] changes)
    {
        var member = new Member(this, changes);
        _members.Add(member);
        await member.StartAsync();
        return member;
    }

    /// <summary>A user that nobody has seen; asks the first instance unless told otherwise.</summary>
    public Visitor NewVisitor(int member = 0) => _rig.NewVisitor(this[member]);

    /// <summary>A new user with that many points, admitted to the show.</summary>
    public Task<Visitor> NewVisitorAsync(Show show, long points = 0, int member = 0) => NewVisitor(member).AdmittedAsync(show, points);

    /// <summary>Fails unless all invariants hold in the fleet's database.</summary>
    public Task VerifyAsync() => _rig.VerifyAsync(new Dictionary<string, string?>
    {
        [MySqlServers.Setting] = Database.ConnectionString,
        [RedisServers.Setting] = _changes.GetValueOrDefault(RedisServers.Setting) ?? _rig.Settings[RedisServers.Setting],
    });

    /// <summary>What the instances said of faults of their own, each with the begin of its stack.</summary>
    public IEnumerable<string> Faults() => Members.SelectMany(static member =>
    {
        var output = member.Instance.Process.Output;
        return output.Index().Where(static line => line.Item.Contains("Unhandled exception", StringComparison.Ordinal))
            .Select(line => string.Join('\n', output.Skip(line.Index).Take(15)));
    });

    /// <summary>The last lines of the instances, for a test that fails.</summary>
    public string Logs() => string.Join("\n\n", Members.Select(member => string.Join('\n', member.Instance.Process.Output.TakeLast(60))));

    /// <summary>Ends every instance in order: whatever they were still doing is done or undone after this.</summary>
    public async Task StopAsync()
    {
        foreach (var exitCode in await Task.WhenAll(Members.Where(member => member.Runs).Select(member => member.StopAsync())))
        {
            await Assert.That(exitCode).IsEqualTo(0);
        }
    }

    /// <summary>Tells the faults as well: a test that met one fails by its answer, which says nothing of the cause.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var fault in Faults())
        {
            Console.WriteLine(fault);
        }

        foreach (var member in Members)
        {
            await member.KillAsync();
        }
    }

    internal sealed class Member
    {
        private readonly Fleet _fleet;
        private readonly Dictionary<string, string?> _changes;
        private Instance? _instance;

        internal Member(Fleet fleet, (string Name, string? Value)[] changes)
        {
            _fleet = fleet;
            _changes = new(fleet._changes)
            {
                ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{Ports.Take()}",
                ["Management__Port"] = $"{Ports.Take()}",
            };
            foreach (var (name, value) in changes)
            {
                _changes[name] = value;
            }

            Api = new Api(new Uri(_changes["ASPNETCORE_URLS"]!));
        }

        public Api Api { get; }

        public Instance Instance => _instance ?? throw new InvalidOperationException("The instance was not started.");

        public bool Runs => _instance is { Process.HasExited: false };

        /// <summary>Does nothing when it runs.</summary>
        public async Task StartAsync(string waitFor = "/readyz")
        {
            if (!Runs)
            {
                _instance = await _fleet._rig.StartAsync(_changes, waitFor);
            }
        }

        public Task KillAsync() => _instance?.Process.KillAsync() ?? Task.CompletedTask;

        /// <returns>The exit code.</returns>
        public Task<int> StopAsync() => Instance.Process.StopAsync(TimeSpan.FromSeconds(15));
    }
}
