using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Queue;
using ConcertBooking.Queue.Room;
using Dapper;

namespace ConcertBooking.Admin;

/// <summary>Members that are left out keep their value; a new queue needs the first two.</summary>
/// <param name="MaxActive">Maximum number of admitted users; lowering it ends no admission.</param>
/// <param name="ActiveSeconds">Duration of admissions from now on.</param>
/// <param name="AdmitPerSecond">Admissions per second at most; 0: as many as there are places.</param>
/// <param name="ProofOfWorkBits">Difficulty of entering; the default is the setting <c>Queue__ProofOfWorkBits</c>.</param>
public sealed record PutQueueRequest(
    [property: Range(1, 1_000_000)] int? MaxActive = null, [property: Range(1, 86_400)] int? ActiveSeconds = null,
    [property: Range(0, 100_000)] int? AdmitPerSecond = null,
    [property: Range(0, SecuritySettings.MaximumProofOfWorkBits)] int? ProofOfWorkBits = null);

/// <param name="Queue">Its name.</param>
/// <param name="Waiting">How many wait.</param>
/// <param name="Active">How many are admitted.</param>
/// <param name="MaxActive">Maximum number of admitted users.</param>
/// <param name="ActiveSeconds">Duration of an admission.</param>
/// <param name="AdmitPerSecond">Maximum admissions per second; missing: no limit.</param>
/// <param name="ProofOfWorkBits">Missing: the queue sets none.</param>
public sealed record QueueResponse(
    string Queue, long Waiting, long Active, int MaxActive, int ActiveSeconds,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? AdmitPerSecond,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? ProofOfWorkBits)
{
    internal static QueueResponse Example => new("main", 1_250, 50, 50, 600, 10, null);

    internal static QueueResponse Of(QueueSettings queue, in QueueCounts counts) => new(
        queue.Name, counts.Waiting, counts.Active, counts.MaxActive, counts.ActiveSeconds,
        counts.AdmitPerSecond == 0 ? null : counts.AdmitPerSecond, queue.OwnProofOfWorkBits);
}

/// <summary>Creates or changes a queue, on all instances at once; new places are filled before the response is sent.</summary>
internal static class PutQueue
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPut("/v1/admin/queues/{name}", HandleAsync)
            .WithName("PutQueue").WithTags("Admin").WithSummary("Make or change a queue")
            .WithDescription(
                "Makes a queue or changes its settings, on all instances at once; places that become free are filled before the "
                + "response. Members that are left out keep their value. Lowering `maxActive` ends no admission.")
            .WithParameter("name", "The name of a queue: small letters, digits, `-` and `_`.", IssueToken.DefaultQueue)
            .WithRequestExample(static () => new PutQueueRequest(MaxActive: 50, ActiveSeconds: 600, AdmitPerSecond: 10))
            .WithExample(static () => QueueResponse.Example)
            .WithAdmin()
            .Produces<QueueResponse>()
            .WithBodyProblems()
            .WithProblems(Problems.QueueUnavailable);

    /// <summary>The new version is greater than the previous one, whatever the clock, and than that of a row that was lost.</summary>
    private const string UpsertSql = """
        INSERT INTO queue (queue_name, max_active, active_seconds, admit_per_second, proof_of_work_bits)
          VALUES (@name, @maxActive, @activeSeconds, NULLIF(@admitPerSecond, 0), @proofOfWorkBits)
        ON DUPLICATE KEY UPDATE version = GREATEST(version, CAST(UNIX_TIMESTAMP(updated_at) * 1000000 AS SIGNED)) + 1, updated_at = NOW(6),
          max_active = COALESCE(@maxActive, max_active), active_seconds = COALESCE(@activeSeconds, active_seconds),
          admit_per_second = NULLIF(COALESCE(@admitPerSecond, admit_per_second), 0),
          proof_of_work_bits = COALESCE(@proofOfWorkBits, proof_of_work_bits)
        """;

    private static async Task<IResult> HandleAsync(
        string name, PutQueueRequest request, MySqlDatabase database, Queues queues, WaitingRoom room, CancellationToken cancellationToken)
    {
        if (!Queues.IsName(name))
        {
            return AdminProblems.QueueName;
        }

        if (request is not { MaxActive: not null, ActiveSeconds: not null } && await queues.FindAsync(name, cancellationToken) is null)
        {
            var missing = request.MaxActive is null ? "maxActive" : "activeSeconds";
            return Problem.Invalid(missing, "A new queue needs it.");
        }

        var deadline = MySqlLimits.Request; // for both statements together
        await database.RunAsync(
            (connection, _) => connection.ExecuteAsync(
                UpsertSql,
                new
                {
                    name,
                    maxActive = request.MaxActive,
                    activeSeconds = request.ActiveSeconds,
                    admitPerSecond = request.AdmitPerSecond,
                    proofOfWorkBits = request.ProofOfWorkBits,
                },
                commandTimeout: MySqlLimits.StatementSeconds),
            CancellationToken.None, deadline);
        await queues.RefreshAsync(cancellationToken, deadline);
        var queue = queues.OfToken(name);
        return TypedResults.Ok(QueueResponse.Of(queue, await room.CountAsync(queue)));
    }
}

[JsonSerializable(typeof(PutQueueRequest))]
[JsonSerializable(typeof(QueueResponse))]
internal sealed partial class PutQueueJson : JsonSerializerContext;
