using System.Collections.Concurrent;
using System.Security.Cryptography;
using ConcertBooking.Servers;
using MySqlConnector;
using StackExchange.Redis;
using TUnit.Core.Interfaces;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// The servers, a migrated database of its own and two instances of the service on it. Tests share one for the whole
/// session; those that break servers make one with servers of its own.
/// </summary>
public class Rig(ServerOptions options) : IAsyncInitializer, IAsyncDisposable
{
    private readonly ConcurrentBag<IAsyncDisposable> _instances = [];
    private readonly ConcurrentBag<string> _databases = [];
    private readonly SecretWatch _secrets = new();
    private ServerSet? _servers;
    private Instance? _a, _b;
    private Database? _database;

    public Rig() : this(new ServerOptions())
    {
    }

    public string SigningKey { get; } = NewKey();

    public string QueueTokenKey { get; } = NewKey();

    public ServerSet Servers => Started(_servers);

    public Instance A => Started(_a);

    public Instance B => Started(_b);

    /// <summary>The database of <see cref="A"/> and <see cref="B"/>.</summary>
    public Database Database => Started(_database);

    public Visitor Admin => NewAdmin(A.Api);

    public Catalogue Catalogue => new(Admin);

    /// <summary>
    /// What every instance and command of this rig is started with; a fresh copy. Production, so that the keys are
    /// needed, and nothing else but defaults, fair use and charging apart.
    /// </summary>
    public Dictionary<string, string?> Settings => new(Servers.Settings)
    {
        [MySqlServers.Setting] = Database.ConnectionString,
        ["ASPNETCORE_ENVIRONMENT"] = "Production",
        ["DOTNET_ENVIRONMENT"] = null,
        ["Auth__SigningKey"] = SigningKey,
        ["QueueToken__SigningKey"] = QueueTokenKey,

        // Users charge what they are about to pay; CashierTests do without.
        ["Points__SelfCharge"] = "true",

        // All tests come from one address, and some ask as one user a thousand times.
        ["RateLimits__PerAddress"] = "0",
        ["RateLimits__PerUser"] = "0",
    };

    /// <summary>Settings of A and B beyond <see cref="Settings"/>.</summary>
    public IReadOnlyDictionary<string, string?> Extra { get; init; } = new Dictionary<string, string?>();

    public async Task InitializeAsync()
    {
        _servers = await ServerSet.FindAsync(options);
        _database = await AddDatabaseAsync();
        var instances = await Task.WhenAll(StartAsync(Extra), StartAsync(Extra));
        (_a, _b) = (instances[0], instances[1]);
    }

    /// <summary>A database of its own on the same server.</summary>
    public async Task<Database> AddDatabaseAsync(bool migrate = true)
    {
        var name = $"t_{Guid.NewGuid():N}";
        _databases.Add(name);
        var database = new Database(await MySqlServers.CreateDatabaseAsync(Servers.MySql, name));
        if (migrate)
        {
            var result = await ServiceProcess.RunAsync(
                ["migrate"], database.Settings);
            if (result.ExitCode != 0)
            {
                throw new InvalidOperationException($"migrate ended with {result.ExitCode}: {result.Output}{result.Error}");
            }
        }
        return database;
    }

    /// <summary>Starts a further instance on the same servers; it ends with the rig if not before.</summary>
    /// <param name="changes">Differences to <see cref="Settings"/>; null as a value removes one.</param>
    /// <param name="waitFor"><c>/livez</c> for one that is to start without its servers.</param>
    /// <param name="program">Another copy of the program.</param>
    public async Task<Instance> StartAsync(
        IReadOnlyDictionary<string, string?>? changes = null, string waitFor = "/readyz", string? program = null)
    {
        var settings = With(changes);
        var instance = new Instance(await ServiceProcess.StartAsync(settings, waitFor, _secrets.Watch(settings), program));
        _instances.Add(instance);
        return instance;
    }

    /// <summary>Starts an instance on a database of its own, so that no other touches what a test arranges there.</summary>
    public async Task<LoneInstance> StartAloneAsync(IReadOnlyDictionary<string, string?>? changes = null)
    {
        var database = await AddDatabaseAsync();
        var settings = new Dictionary<string, string?>(
            changes ?? new Dictionary<string, string?>())
        { [MySqlServers.Setting] = database.ConnectionString };
        var instance = await StartAsync(settings);
        return new LoneInstance(instance.Process, database, new Catalogue(NewAdmin(instance.Api)));
    }

    /// <summary>Runs a command such as <c>verify</c> to its end, with the settings that instances get.</summary>
    /// <exception cref="OperationCanceledException">It was still running after 90 s, as a service would that should
    /// not have started.</exception>
    public async Task<ServiceResult> RunAsync(string[] arguments, IReadOnlyDictionary<string, string?>? changes = null)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        return await ServiceProcess.RunAsync(arguments, With(changes), cancellationToken: patience.Token);
    }

    /// <summary>An administrator that nobody has seen.</summary>
    public Visitor NewAdmin(Api at)
    {
        var userId = UserIds.Next();
        return new Visitor(at, userId, AccessTokens.For(SigningKey, userId, admin: true));
    }

    /// <summary>Fails unless all invariants hold in the rig's database, or in the one that the changed settings name.</summary>
    public async Task VerifyAsync(IReadOnlyDictionary<string, string?>? changes = null)
    {
        var result = await RunAsync(["verify"], changes);
        if (result.ExitCode != 0)
        {
            var violations = result.Output.Split('\n').Where(static line => !line.StartsWith("ok ", StringComparison.Ordinal));
            Assert.Fail($"verify ended with {result.ExitCode}:\n{string.Join('\n', violations)}{result.Error}");
        }
    }

    /// <summary>A user that nobody has seen.</summary>
    public Visitor NewVisitor(Instance? at = null) => NewVisitor((at ?? A).Api);

    /// <inheritdoc cref="NewVisitor(Instance?)"/>
    public Visitor NewVisitor(Api at)
    {
        var userId = UserIds.Next();
        return new Visitor(at, userId, AccessTokens.For(SigningKey, userId));
    }

    /// <summary>A new user with that many points, admitted to the show.</summary>
    public Task<Visitor> NewVisitorAsync(Show show, long points = 0) => NewVisitor().AdmittedAsync(show, points);

    /// <summary>Whose the short lock of a show's first seat is, if there is one.</summary>
    public async Task<long?> SeatLockAsync(Show show)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(Servers.Redis.ConnectionString);
        return (long?)await redis.GetDatabase().StringGetAsync($"{{q:{show.Queue}}}:seat:{show.ScheduleId}:1");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var instance in _instances)
        {
            await instance.DisposeAsync();
        }

        if (_servers is not null)
        {
            foreach (var database in _databases.Where(_ => !_servers.MySql.CanBeBroken))
            {
                await MySqlServers.DropDatabaseAsync(_servers.MySql, database);
            }

            await _servers.DisposeAsync();
        }
        MySqlConnection.ClearAllPools();
        GC.SuppressFinalize(this);
        _secrets.ThrowIfLeaked();
    }

    public static string NewKey() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));

    private Dictionary<string, string?> With(IReadOnlyDictionary<string, string?>? changes)
    {
        var settings = Settings;
        foreach (var (name, value) in changes ?? new Dictionary<string, string?>())
        {
            settings[name] = value;
        }

        return settings;
    }

    private static T Started<T>(T? part) where T : class => part ?? throw new InvalidOperationException("The rig is not started.");
}

/// <summary>Tests on the rig that the session shares.</summary>
public abstract class SharedRigTests
{
    [ClassDataSource<Rig>(Shared = SharedType.PerTestSession)]
    public required Rig Rig { get; init; }
}
