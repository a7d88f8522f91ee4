using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;
using Dapper;
using MySqlConnector;

namespace ConcertBooking.Admin;

/// <param name="Price">Whole points; holds keep the price at which they were made.</param>
/// <param name="SalesOpenAt">A sale that opens later stays as it is for seats that are already held.</param>
/// <param name="MaxPerUser">0: no limit. Users above a lowered limit keep their seats.</param>
public sealed record UpdateScheduleRequest(
    DateTimeOffset? StartsAt = null,
    [property: Range(0L, CreateSchedule.MaximumPrice)] long? Price = null,
    DateTimeOffset? SalesOpenAt = null,
    DateTimeOffset? SalesCloseAt = null,
    [property: Range(0, Catalogue.MaximumSeats)] int? MaxPerUser = null) : IPatch
{
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

/// <summary>Changes the given members of a schedule; members that are left out keep their value, and so do its seats.</summary>
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
        UPDATE concert_schedule SET starts_at = COALESCE(@startsAt, starts_at), price = COALESCE(@price, price),
          sales_open_at = COALESCE(@salesOpenAt, sales_open_at), sales_close_at = COALESCE(@salesCloseAt, sales_close_at),
          max_per_user = COALESCE(@maxPerUser, max_per_user)
        WHERE schedule_id = @scheduleId
        """;

    private const string SelectSql = "SELECT " + ScheduleRow.ColumnsSql + "FROM concert_schedule s WHERE s.schedule_id = @scheduleId";

    private static async Task<IResult> HandleAsync(long scheduleId, UpdateScheduleRequest request, MySqlDatabase database)
    {
        if (AdminProblems.UnknownMembers(request) is { } unknown)
        {
            return unknown;
        }

        if (!AdminProblems.TryUtc("startsAt", request.StartsAt, out var startsAt, out var problem)
            || !AdminProblems.TryUtc("salesOpenAt", request.SalesOpenAt, out var salesOpenAt, out problem)
            || !AdminProblems.TryUtc("salesCloseAt", request.SalesCloseAt, out var salesCloseAt, out problem))
        {
            return problem;
        }

        try
        {
            var row = await database.RunAsync(
                async (connection, _) =>
                {
                    await connection.ExecuteAsync(
                        UpdateSql,
                        new { scheduleId, startsAt, price = request.Price, salesOpenAt, salesCloseAt, maxPerUser = request.MaxPerUser },
                        commandTimeout: MySqlLimits.StatementSeconds);
                    return await connection.QueryFirstOrDefaultAsync<ScheduleRow>(
                        SelectSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds);
                },
                CancellationToken.None);
            return row is null ? Problems.ScheduleNotFound : TypedResults.Ok(row.ToItem());
        }
        catch (MySqlException exception) when (MySqlErrors.IsCheckViolation(exception))
        {
            return AdminProblems.SalesCloseAt; // judged with the member that is stored, where only one is given
        }
    }
}

[JsonSerializable(typeof(UpdateScheduleRequest))]
internal sealed partial class UpdateScheduleJson : JsonSerializerContext;
