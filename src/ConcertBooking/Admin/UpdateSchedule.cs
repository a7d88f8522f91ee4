using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertBooking.Concerts;
using Dapper;
using MySqlConnector;

namespace ConcertBooking.Admin;

/// <param name="StartsAt">Null as if it were left out, as with prices: no schedule is without.</param>
/// <param name="Price">Whole points, of a schedule without a hall; holds keep the price at which they were made.</param>
/// <param name="Prices">The same by grade, of a schedule in a hall; grades that are left out keep their price.</param>
public sealed record UpdateScheduleRequest(
    DateTimeOffset? StartsAt = null,
    [property: Range(0L, SchedulePrices.Maximum)] long? Price = null,
    IReadOnlyDictionary<string, long>? Prices = null) : IPatch
{
    /// <summary>Null: at once. A sale that opens later stays as it is for seats that are already held.</summary>
    public DateTimeOffset? SalesOpenAt
    {
        get;
        set => (field, SalesOpenAtGiven) = (value, true);
    }

    /// <summary>Null: when the concert starts.</summary>
    public DateTimeOffset? SalesCloseAt
    {
        get;
        set => (field, SalesCloseAtGiven) = (value, true);
    }

    /// <summary>0: no limit; null: Purchases__MaxPerUser. Users above a lowered limit keep their seats.</summary>
    [Range(0, Catalogue.MaximumSeats)]
    public int? MaxPerUser
    {
        get;
        set => (field, MaxPerUserGiven) = (value, true);
    }

    /// <summary>Whether the body has the member: null is a value of it, which is set only when it is given.</summary>
    internal bool SalesOpenAtGiven { get; private set; }

    /// <inheritdoc cref="SalesOpenAtGiven"/>
    internal bool SalesCloseAtGiven { get; private set; }

    /// <inheritdoc cref="SalesOpenAtGiven"/>
    internal bool MaxPerUserGiven { get; private set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

/// <summary>Changes the given members of a schedule; members that are left out keep their value, and so do its seats.</summary>
internal static class UpdateSchedule
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPatch("/v1/admin/schedules/{scheduleId:long}", HandleAsync)
            .WithName("UpdateSchedule").WithTags("Admin").WithSummary("Change a schedule")
            .WithDescription(
                "Members that are left out keep their value, and so do the seats; holds keep the price at which they were made. "
                + "Members that do not exist are refused by name.")
            .WithParameter("scheduleId", "A schedule of a concert.", 1)
            .WithRequestExample(static () => new UpdateScheduleRequest(Price: 50_000) { SalesOpenAt = new(2026, 12, 1, 10, 0, 0, default) })
            .WithExample(static () => ScheduleItem.Example)
            .WithAdmin()
            .Produces<ScheduleItem>()
            .WithBodyProblems()
            .WithProblems(Problems.ScheduleNotFound);

    private static async Task<IResult> HandleAsync(long scheduleId, UpdateScheduleRequest request, MySqlDatabase database)
    {
        if (AdminProblems.UnknownMembers(request) is { } unknown)
        {
            return unknown;
        }

        if (!AdminProblems.TryUtc(request.StartsAt, request.SalesOpenAt, request.SalesCloseAt, out var times, out var problem))
        {
            return problem;
        }

        try
        {
            var (fault, row) = await database.RunAsync(
                (connection, _) => UpdateAsync(connection, scheduleId, request, times), CancellationToken.None);
            return fault is not null ? fault : row is null ? Problems.ScheduleNotFound : TypedResults.Ok(row.ToItem());
        }
        catch (MySqlException exception) when (MySqlErrors.IsCheckViolation(exception))
        {
            return AdminProblems.SalesCloseAt; // judged with the member that is stored, where only one is given
        }
    }

    private static async Task<(Problem? Fault, ScheduleRow? Row)> UpdateAsync(
        MySqlConnection connection, long scheduleId, UpdateScheduleRequest request, ScheduleTimes times)
    {
        await using var transaction = await TimedTransaction.BeginAsync(connection);
        await connection.ExecuteAsync(
            UpdateSql,
            new
            {
                scheduleId,
                startsAt = times.StartsAt,
                price = request.Price,
                salesOpenAt = times.SalesOpenAt,
                salesOpenAtGiven = request.SalesOpenAtGiven,
                salesCloseAt = times.SalesCloseAt,
                salesCloseAtGiven = request.SalesCloseAtGiven,
                maxPerUser = request.MaxPerUser,
                maxPerUserGiven = request.MaxPerUserGiven,
            },
            commandTimeout: MySqlLimits.StatementSeconds);
        if (request.Price is not null || request.Prices is not null)
        {
            var grades = (await connection.QueryAsync<string>(
                GradesSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds)).ToList();
            if (Fault(request, grades) is { } fault)
            {
                return (fault, null); // and the transaction ends without the update
            }

            if (request.Prices is { Count: > 0 } prices)
            {
                await SchedulePrices.WriteAsync(connection, scheduleId, prices);
            }
        }

        await transaction.CommitAsync();
        return (null, await connection.QueryFirstOrDefaultAsync<ScheduleRow>(
            SelectSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds));
    }

    /// <param name="request">With a price or prices.</param>
    /// <param name="grades">Of the schedule; none without a hall, or where there is no such schedule.</param>
    private static Problem? Fault(UpdateScheduleRequest request, List<string> grades) => (request, grades) switch
    {
        ({ Prices: not null }, []) => Problem.Invalid("prices", "Only a schedule in a hall has them."),
        ({ Price: not null }, [_, ..]) => Problem.Invalid("price", "A schedule in a hall has prices instead."),
        ({ Prices: { } prices }, _) => SchedulePrices.Fault(prices, grades, needsAll: false),
        _ => null,
    };

    /// <summary>Locks the schedule's row, so that changes of its prices follow each other.</summary>
    private const string UpdateSql = """
        UPDATE concert_schedule SET starts_at = COALESCE(@startsAt, starts_at), price = COALESCE(@price, price),
          sales_open_at = IF(@salesOpenAtGiven, @salesOpenAt, sales_open_at),
          sales_close_at = IF(@salesCloseAtGiven, @salesCloseAt, sales_close_at),
          max_per_user = IF(@maxPerUserGiven, @maxPerUser, max_per_user)
        WHERE schedule_id = @scheduleId
        """;

    private const string GradesSql = "SELECT grade FROM schedule_price WHERE schedule_id = @scheduleId";

    private const string SelectSql = "SELECT " + ScheduleRow.ColumnsSql + "FROM concert_schedule s WHERE s.schedule_id = @scheduleId";
}

[JsonSerializable(typeof(UpdateScheduleRequest))]
internal sealed partial class UpdateScheduleJson : JsonSerializerContext;
