using System.Text.Json;
using System.Text.Json.Serialization;
using Dapper;
using MySqlConnector;

namespace ConcertBooking.Concerts;

/// <param name="Price">Whole points a seat.</param>
public sealed record GradePrice(string Grade, long Price);

/// <summary>The prices of a schedule in a hall: one for each grade of the hall.</summary>
internal static class SchedulePrices
{
    /// <summary>Whole points a seat.</summary>
    public const long Maximum = 1_000_000_000;

    private const string WriteSql = """
        INSERT INTO schedule_price (schedule_id, grade, price)
          SELECT @scheduleId, w.grade, w.price
          FROM JSON_TABLE(@prices, '$[*]' COLUMNS (grade VARCHAR(20) PATH '$.grade', price BIGINT PATH '$.price')) w
        ON DUPLICATE KEY UPDATE price = VALUES(price)
        """;

    /// <summary>concert_schedule.price stands in every list, and is what instances of the build before charge.</summary>
    private const string LowestSql = """
        UPDATE concert_schedule SET price = (SELECT MIN(p.price) FROM schedule_price p WHERE p.schedule_id = @scheduleId)
        WHERE schedule_id = @scheduleId
        """;

    /// <param name="prices">Of a request.</param>
    /// <param name="grades">Those of the hall.</param>
    /// <param name="needsAll">Whether a grade without a price is a fault.</param>
    public static Problem? Fault(IReadOnlyDictionary<string, long> prices, IReadOnlyCollection<string> grades, bool needsAll)
    {
        foreach (var (grade, price) in prices)
        {
            if (!grades.Contains(grade))
            {
                return Problem.Invalid($"prices.{grade}", "The hall has no such grade.");
            }

            if (price is < 0 or > Maximum)
            {
                return Problem.Invalid($"prices.{grade}", $"Must be from 0 to {Maximum}.");
            }
        }

        return needsAll && grades.FirstOrDefault(grade => !prices.ContainsKey(grade)) is { } missing
            ? Problem.Invalid($"prices.{missing}", "The hall has this grade, so it needs a price.")
            : null;
    }

    /// <summary>Sets the prices of these grades, and leaves those of others.</summary>
    public static async Task WriteAsync(
        MySqlConnection connection, long scheduleId, IReadOnlyDictionary<string, long> byGrade)
    {
        // With its type: Dapper.AOT does not see what another generator writes, and would leave the call to reflection.
        string prices = JsonSerializer.Serialize(
            byGrade.Select(static price => new GradePrice(price.Key, price.Value)).ToArray(), SchedulePricesJson.Web.GradePriceArray);
        await connection.ExecuteAsync(WriteSql, new { scheduleId, prices }, commandTimeout: MySqlLimits.StatementSeconds);
        await connection.ExecuteAsync(LowestSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds);
    }
}

[JsonSerializable(typeof(GradePrice[]))]
internal sealed partial class SchedulePricesJson : JsonSerializerContext
{
    public static SchedulePricesJson Web { get; } = new(new(JsonSerializerDefaults.Web));
}
