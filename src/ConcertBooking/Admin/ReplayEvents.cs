using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using ConcertBooking.Events.Consuming;
using ConcertBooking.Events.Outbox;
using Dapper;

namespace ConcertBooking.Admin;

/// <param name="State">Which events: <c>dead</c>.</param>
public sealed record ReplayEventsRequest([property: Required, RegularExpression("^dead$")] string State);

/// <param name="Outbox">Dead rows that are waiting to be sent again.</param>
/// <param name="DeadLetters">Dead letters that were replayed to their topic; null when Kafka cannot be reached.</param>
public sealed record ReplayEventsResponse(int Outbox, long? DeadLetters);

/// <summary>Replays dead events and dead letters, with their ids and keys; consumers deduplicate by id.</summary>
internal static class ReplayEvents
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/admin/events/replay", HandleAsync)
            .WithName("ReplayEvents").WithTags("Admin").WithSummary("Put dead events and dead letters back")
            .WithDescription(
                "Dead events of the outbox are sent again, and dead letters go back to their topic, with their ids and keys.")
            .WithRequestExample(static () => new ReplayEventsRequest("dead"))
            .WithExample(static () => new ReplayEventsResponse(2, 5), StatusCodes.Status202Accepted)
            .WithAdmin()
            .Produces<ReplayEventsResponse>(StatusCodes.Status202Accepted)
            .WithBodyProblems()
            .WithProblems(Problems.DatabaseUnavailable);

    private const string ReviveSql = """
        UPDATE outbox SET state = 'PENDING', attempts = 0, next_attempt_at = NOW(6) WHERE state = 'DEAD'
        """;

    private static async Task<IResult> HandleAsync(
        ReplayEventsRequest request, MySqlDatabase database, DeadLetters deadLetters, OutboxSignal outbox,
        CancellationToken cancellationToken)
    {
        var revived = await database.RunAsync(
            static (connection, _) => connection.ExecuteAsync(ReviveSql, commandTimeout: MySqlLimits.StatementSeconds),
            cancellationToken);
        outbox.Set();
        return TypedResults.Accepted((string?)null, new ReplayEventsResponse(revived, await deadLetters.ReplayAsync()));
    }
}

[JsonSerializable(typeof(ReplayEventsRequest))]
[JsonSerializable(typeof(ReplayEventsResponse))]
internal sealed partial class ReplayEventsJson : JsonSerializerContext;
