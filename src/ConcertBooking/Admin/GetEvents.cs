using System.Text.Json.Serialization;
using ConcertBooking.Events.Consuming;
using Microsoft.AspNetCore.Http.HttpResults;
using MySqlConnector;

namespace ConcertBooking.Admin;

/// <param name="Pending">Waiting to be sent.</param>
/// <param name="Dead">Rejected by Kafka ten times.</param>
/// <param name="OldestSeconds">The age of the oldest pending event; 0 when there is none.</param>
public sealed record OutboxCounts(long Pending, long Dead, long OldestSeconds);

/// <param name="Outbox">Events on their way to Kafka.</param>
/// <param name="DeadLetters">Dead letters that were not replayed; null while Kafka cannot be reached.</param>
public sealed record EventsResponse(OutboxCounts Outbox, long? DeadLetters);

/// <summary>Counts pending events, dead events and dead letters.</summary>
internal static class GetEvents
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/admin/events", HandleAsync)
            .WithName("GetEvents").WithTags("Admin").WithSummary("Count waiting and dead events")
            .WithDescription(
                "Events in the outbox that wait or were rejected by Kafka, and dead letters of consumers that were not replayed.")
            .WithExample(static () => new EventsResponse(new(3, 0, 1), 0))
            .WithAdmin()
            .Produces<EventsResponse>()
            .WithProblems(Problems.DatabaseUnavailable);

    private const string CountSql = """
        SELECT COUNT(CASE WHEN state = 'PENDING' THEN 1 END), COUNT(CASE WHEN state = 'DEAD' THEN 1 END),
               COALESCE(TIMESTAMPDIFF(SECOND, MIN(CASE WHEN state = 'PENDING' THEN created_at END), NOW(6)), 0)
        FROM outbox
        """;

    private static async Task<Ok<EventsResponse>> HandleAsync(
        MySqlDatabase database, DeadLetters deadLetters, CancellationToken cancellationToken)
    {
        var letters = deadLetters.CountAsync();
        var outbox = await database.RunAsync(
            static async (connection, token) =>
            {
                await using var command = new MySqlCommand(CountSql, connection);
                await using var reader = await command.ExecuteReaderAsync(token);
                await reader.ReadAsync(token);
                return new OutboxCounts(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2));
            },
            cancellationToken);
        return TypedResults.Ok(new EventsResponse(outbox, await letters));
    }
}

[JsonSerializable(typeof(EventsResponse))]
internal sealed partial class GetEventsJson : JsonSerializerContext;
