using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;
using ConcertBooking.Queue.Room;
using Dapper;

namespace ConcertBooking.Admin;

public sealed record UpdateConcertRequest(
    [property: StringLength(Catalogue.MaximumTitleLength, MinimumLength = 1)] string? Title = null, string? Queue = null) : IPatch
{
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

/// <summary>Changes the given members of a concert; members that are left out keep their value.</summary>
internal static class UpdateConcert
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPatch("/v1/admin/concerts/{concertId:long}", HandleAsync)
            .WithName("UpdateConcert").WithTags("Admin").WithSummary("Change a concert")
            .WithDescription("Members that are left out keep their value. Members that do not exist are refused by name.")
            .WithParameter("concertId", "A concert of `GET /v1/concerts`.", 1)
            .WithRequestExample(static () => new UpdateConcertRequest("An Evening in the Round"))
            .WithExample(static () => ConcertItem.Example)
            .WithAdmin()
            .Produces<ConcertItem>()
            .WithBodyProblems()
            .WithProblems(Problems.ConcertNotFound);

    private const string UpdateSql = """
        UPDATE concert SET title = COALESCE(@title, title), queue_name = COALESCE(@queue, queue_name) WHERE concert_id = @concertId
        """;

    private const string SelectSql = """
        SELECT concert_id AS ConcertId, title AS Title, queue_name AS Queue FROM concert WHERE concert_id = @concertId
        """;

    private static async Task<IResult> HandleAsync(long concertId, UpdateConcertRequest request, MySqlDatabase database)
    {
        if (AdminProblems.UnknownMembers(request) is { } unknown)
        {
            return unknown;
        }

        if (request.Queue is { } queue && !Queues.IsName(queue))
        {
            return AdminProblems.QueueName;
        }

        var row = await database.RunAsync(
            async (connection, _) =>
            {
                if (request.Queue is not null)
                {
                    await Catalogue.EnsureQueueAsync(connection, request.Queue);
                }

                await connection.ExecuteAsync(
                    UpdateSql,
                    new { concertId, title = request.Title, queue = request.Queue },
                    commandTimeout: MySqlLimits.StatementSeconds);
                return await connection.QueryFirstOrDefaultAsync<ConcertRow>(
                    SelectSql, new { concertId }, commandTimeout: MySqlLimits.StatementSeconds);
            },
            CancellationToken.None);
        return row is null ? Problems.ConcertNotFound : TypedResults.Ok(new ConcertItem(row.ConcertId, row.Title, row.Queue));
    }
}

[JsonSerializable(typeof(UpdateConcertRequest))]
internal sealed partial class UpdateConcertJson : JsonSerializerContext;
