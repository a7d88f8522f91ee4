using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;
using Dapper;

namespace ConcertBooking.Admin;

/// <param name="Price">Whole points; holds keep the price at which they were made.</param>
public sealed record UpdateScheduleRequest(
    DateTimeOffset? StartsAt = null, [property: Range(0L, CreateSchedule.MaximumPrice)] long? Price = null) : IPatch
{
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

/// <summary>Changes when a schedule starts or what it costs; its seats stay as they are.</summary>
internal static class UpdateSchedule
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPatch("/v1/admin/schedules/{scheduleId:long}", HandleAsync)
            .WithName("UpdateSchedule").WithTags("Admin").WithSummary("Change a schedule")
            .WithAdmin()
            .Produces<ScheduleItem>()
            .WithBodyProblems()
            .WithProblems(Problems.ScheduleNotFound);

    private const string UpdateSql = """
        UPDATE concert_schedule SET starts_at = COALESCE(@startsAt, starts_at), price = COALESCE(@price, price)
        WHERE schedule_id = @scheduleId
        """;

    private const string SelectSql = "SELECT " + ScheduleRow.ColumnsSql + "FROM concert_schedule s WHERE s.schedule_id = @scheduleId";

    private static async Task<IResult> HandleAsync(long scheduleId, UpdateScheduleRequest request, MySqlDatabase database)
    {
        if (AdminProblems.UnknownMembers(request) is { } unknown)
        {
            return unknown;
        }

        DateTime? startsAt = null;
        if (request.StartsAt is { } moment)
        {
            if (!AdminProblems.TryUtc(moment, out var utc))
            {
                return AdminProblems.StartsAt;
            }

            startsAt = utc;
        }

        var row = await database.RunAsync(
            async (connection, _) =>
            {
                await connection.ExecuteAsync(
                    UpdateSql, new { scheduleId, startsAt, price = request.Price }, commandTimeout: MySqlLimits.StatementSeconds);
                return await connection.QueryFirstOrDefaultAsync<ScheduleRow>(
                    SelectSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds);
            },
            CancellationToken.None);
        return row is null ? Problems.ScheduleNotFound : TypedResults.Ok(row.ToItem());
    }
}

[JsonSerializable(typeof(UpdateScheduleRequest))]
internal sealed partial class UpdateScheduleJson : JsonSerializerContext;
