using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using MySqlConnector;

namespace ConcertBooking.Http.Auth;

/// <summary>
/// Maps an issuer's subjects to user ids. A subject that is a positive integer is its own id; any other is assigned one when it
/// is first seen, in a row of <c>user_identity</c>. Assigned ids are at least 2^52 and less than 2^53: exact in every JSON
/// parser, and different from every numeric subject, since integers of that range are mapped like any other text.
/// </summary>
internal sealed class UserIdentities
{
    /// <summary>The limit of OpenID Connect.</summary>
    public const int MaximumSubjectLength = 255;

    private const long FirstMapped = 1L << 52;
    private const long LastMapped = (1L << 53) - 1;
    private const int BatchSize = 50;

    private readonly IdentityCache _cache = new();
    private readonly RequestBatcher<Identity, long> _lookups;

    /// <summary>Lookups are batched: many new users share statements and one connection.</summary>
    public UserIdentities(MySqlDatabase database) => _lookups = new(
        identities => database.RunAsync((connection, token) => FindOrAddAsync(connection, identities, token), CancellationToken.None),
        BatchSize);

    private sealed record Identity(string Issuer, string Subject, byte[] Hash)
    {
        public UInt128 Key => MemoryMarshal.Read<UInt128>(Hash);

        /// <summary>
        /// Derived from the hash, so that a subject whose row was lost in a restore from a backup gets the same id again; a
        /// later attempt gives another one.
        /// </summary>
        public long Candidate(int attempt) =>
            FirstMapped | (BinaryPrimitives.ReadInt64BigEndian(Hash.AsSpan(8 * attempt)) & (FirstMapped - 1));

        public static Identity Of(string issuer, string subject) =>
            new(issuer, subject, SHA256.HashData(Encoding.UTF8.GetBytes($"{issuer}\n{subject}")));
    }

    /// <exception cref="DatabaseUnavailableException">The subject is not cached, and MySQL cannot be reached.</exception>
    /// <exception cref="BatchTimeoutException">The lookup waited too long for its batch.</exception>
    public ValueTask<long> IdOfAsync(string issuer, string subject)
    {
        if (NumericId(subject) is { } numeric)
        {
            return ValueTask.FromResult(numeric);
        }

        var identity = Identity.Of(issuer, subject);
        return _cache.Find(identity.Key) is { } id ? ValueTask.FromResult(id) : FindOrAddAsync(identity);
    }

    /// <summary>The id of a numeric subject. Only the canonical form: 7 and 007 are two subjects.</summary>
    private static long? NumericId(string subject) =>
        subject is not ['0', ..] && long.TryParse(subject, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            && id is < FirstMapped or > LastMapped
            ? id
            : null;

    private async ValueTask<long> FindOrAddAsync(Identity identity)
    {
        var id = await MySqlLimits.Request.AwaitAsync(_lookups.EnqueueAsync(identity));
        _cache.Add(identity.Key, id);
        return id;
    }

    /// <summary>
    /// Selects the rows and inserts those that are missing, each in a statement of its own: when two instances insert the same
    /// subject at the same moment, both then find the first row. An id is not assigned when another subject or user has it.
    /// </summary>
    private static async Task<IReadOnlyList<long>> FindOrAddAsync(
        MySqlConnection connection, IReadOnlyList<Identity> identities, CancellationToken cancellationToken)
    {
        // In one order everywhere, so that two instances do not deadlock.
        Identity[] missing = [.. identities.DistinctBy(static identity => identity.Key).OrderBy(static identity => identity.Key)];
        var ids = new Dictionary<UInt128, long>();
        for (var attempt = 0; ; attempt++)
        {
            await SelectAsync(connection, missing, ids, cancellationToken);
            missing = [.. missing.Where(identity => !ids.ContainsKey(identity.Key))];
            if (missing.Length == 0)
            {
                return [.. identities.Select(identity => ids[identity.Key])];
            }

            if (attempt == SHA256.HashSizeInBytes / sizeof(long))
            {
                throw new InvalidOperationException("Every candidate user id of a subject is already in use.");
            }

            await InsertAsync(connection, missing, attempt, cancellationToken);
        }
    }

    private static async Task SelectAsync(
        MySqlConnection connection, Identity[] identities, Dictionary<UInt128, long> ids, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand { Connection = connection };
        var names = identities.Select((identity, index) => Add(command, $"@hash{index}", identity.Hash));
        command.CommandText = $"SELECT identity_hash, user_id FROM user_identity WHERE identity_hash IN ({string.Join(',', names)})";
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            ids[MemoryMarshal.Read<UInt128>(reader.GetFieldValue<byte[]>(0))] = reader.GetInt64(1);
        }
    }

    /// <summary>The SELECT uses aliases: on MariaDB the table's column names would be ambiguous in the last clause.</summary>
    private static async Task InsertAsync(
        MySqlConnection connection, Identity[] identities, int attempt, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand { Connection = connection };
        var rows = identities.Select((identity, index) => $"""
            SELECT {Add(command, $"@id{index}", identity.Candidate(attempt))} AS id, {Add(command, $"@hash{index}", identity.Hash)} AS hash,
              {Add(command, $"@issuer{index}", identity.Issuer)} AS iss, {Add(command, $"@subject{index}", identity.Subject)} AS sub
            """);
        command.CommandText = $"""
            INSERT INTO user_identity (user_id, identity_hash, issuer, subject)
              SELECT id, hash, iss, sub FROM ({string.Join("\nUNION ALL\n", rows)}) newcomer
              WHERE NOT EXISTS (SELECT 1 FROM user_point_balance b WHERE b.user_id = newcomer.id)
              ON DUPLICATE KEY UPDATE user_identity.user_id = user_identity.user_id
            """;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static string Add(MySqlCommand command, string name, object value)
    {
        command.Parameters.AddWithValue(name, value);
        return name;
    }
}

/// <summary>
/// Cache of user ids by the first half of a subject's hash: two generations of 50,000 entries of a fixed size, 6 MB in all. A
/// full generation becomes the old one, and entries that are used again move into the new one.
/// </summary>
internal sealed class IdentityCache
{
    private const int GenerationSize = 50_000;

    private readonly Lock _gate = new();
    private Dictionary<UInt128, long> _young = [];
    private Dictionary<UInt128, long> _old = [];

    public long? Find(UInt128 key)
    {
        lock (_gate)
        {
            if (_young.TryGetValue(key, out var id))
            {
                return id;
            }

            if (!_old.TryGetValue(key, out id))
            {
                return null;
            }

            Put(key, id);
            return id;
        }
    }

    public void Add(UInt128 key, long id)
    {
        lock (_gate)
        {
            Put(key, id);
        }
    }

    private void Put(UInt128 key, long id)
    {
        if (_young.Count >= GenerationSize)
        {
            (_old, _young) = (_young, []);
        }

        _young[key] = id;
    }
}
