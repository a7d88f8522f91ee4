using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Infrastructure;
using ConcertBooking.Queue;
using Dapper;

namespace ConcertBooking.Admin;

/// <param name="MaxActive">Places at most; lowering it throws nobody out.</param>
/// <param name="ActiveSeconds">Length of an admission given from now on.</param>
/// <param name="AdmitPerSecond">Admissions per second at most; not given: as many as there are places.</param>
/// <param name="ProofOfWorkBits">What entering costs; not given: the setting <c>Queue__ProofOfWorkBits</c>.</param>
public sealed record PutQueueRequest(
    [property: Range(1, 1_000_000)] int MaxActive, [property: Range(1, 86_400)] int ActiveSeconds,
    [property: Range(1, 100_000)] int? AdmitPerSecond = null,
    [property: Range(0, SecuritySettings.MaximumProofOfWorkBits)] int? ProofOfWorkBits = null);

public sealed record QueueResponse(
    string Queue, long Waiting, long Active, int MaxActive, int ActiveSeconds,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? AdmitPerSecond)
{
    internal static QueueResponse Of(string queue, in QueueCounts counts) => new(
        queue, counts.Waiting, counts.Active, counts.MaxActive, counts.ActiveSeconds, counts.AdmitPerSecond == 0 ? null : counts.AdmitPerSecond);
}

/// <summary>Makes a queue or changes it, on every instance at once; new places are handed out before the answer is sent.</summary>
internal static class PutQueue
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPut("/v1/admin/queues/{name}", Handle)
            .WithName("PutQueue").WithTags("Admin").WithSummary("Make or change a queue")
            .WithAdmin()
            .Produces<QueueResponse>()
            .WithBodyProblems()
            .WithProblems(Problems.QueueUnavailable);

    /// <summary>updated_at is the version that Redis goes by; it must move even when the row stays the same.</summary>
    private const string UpsertSql = """
        INSERT INTO queue (queue_name, max_active, active_seconds, admit_per_second, proof_of_work_bits)
          VALUES (@name, @maxActive, @activeSeconds, @admitPerSecond, @proofOfWorkBits)
        ON DUPLICATE KEY UPDATE max_active = @maxActive, active_seconds = @activeSeconds, admit_per_second = @admitPerSecond,
          proof_of_work_bits = @proofOfWorkBits, updated_at = NOW(6)
        """;

    private static async Task<IResult> Handle(
        string name, PutQueueRequest request, MySql database, Queues queues, WaitingRoom room, CancellationToken cancellationToken)
    {
        if (!Queues.IsName(name))
        {
            return AdminProblems.QueueName;
        }

        var deadline = MySqlLimits.Request; // for both statements together
        await database.Run(
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
        await queues.Refresh(cancellationToken, deadline);
        var queue = queues.OfToken(name);
        return TypedResults.Ok(QueueResponse.Of(name, await room.Count(queue)));
    }
}

[JsonSerializable(typeof(PutQueueRequest))]
[JsonSerializable(typeof(QueueResponse))]
internal sealed partial class PutQueueJson : JsonSerializerContext;
