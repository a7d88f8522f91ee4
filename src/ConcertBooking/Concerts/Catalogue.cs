using Dapper;
using MySqlConnector;

namespace ConcertBooking.Concerts;

/// <param name="StartsAt">In UTC, as all times here.</param>
/// <param name="Price">Whole points a seat; the lowest of <paramref name="Prices"/>.</param>
/// <param name="MaxPerUser">Seats that one user may hold and have paid; 0: no limit; null: the setting.</param>
/// <param name="HallId">The hall that has so many seats; null: they have no labels, and one price.</param>
/// <param name="Prices">By grade of the hall.</param>
internal sealed record NewSchedule(
    DateTime StartsAt, long Price, int SeatCount, DateTime? SalesOpenAt = null, DateTime? SalesCloseAt = null, int? MaxPerUser = null,
    long? HallId = null, IReadOnlyDictionary<string, long>? Prices = null);

/// <summary>Inserts into the catalogue, for the admin calls and the seed command.</summary>
internal static class Catalogue
{
    /// <summary>The seats that one schedule may have.</summary>
    public const int MaximumSeats = 100_000;

    /// <summary>The length of a concert's title, in characters.</summary>
    public const int MaximumTitleLength = 200;

    /// <summary>
    /// The number of seats of <c>concert_schedule s</c>, which are numbered from 1: those that have a row, up to seat_count, which
    /// an operator may have changed by hand.
    /// </summary>
    public const string SeatCountSql =
        "GREATEST(0, LEAST(s.seat_count, (SELECT COALESCE(MAX(n.seat_no), 0) FROM seat n WHERE n.schedule_id = s.schedule_id)))";

    /// <summary>A new queue starts with the default settings.</summary>
    private const string EnsureQueueSql = "INSERT IGNORE INTO queue (queue_name) VALUES (@queue)";

    private const string InsertConcertSql = "INSERT INTO concert (title, queue_name) VALUES (@title, @queue); SELECT LAST_INSERT_ID()";

    private const string InsertScheduleSql = """
        INSERT INTO concert_schedule (concert_id, starts_at, price, seat_count, sales_open_at, sales_close_at, max_per_user, hall_id)
          VALUES (@concertId, @startsAt, @price, @seatCount, @salesOpenAt, @salesCloseAt, @maxPerUser, @hallId);
        SELECT LAST_INSERT_ID()
        """;

    /// <summary>Seats 1 to @seatCount in one statement; five digits make <see cref="MaximumSeats"/>.</summary>
    private const string InsertSeatsSql = """
        INSERT INTO seat (schedule_id, seat_no)
        WITH digit AS (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
                       UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9),
             number AS (SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS seat_no
                        FROM digit a, digit b, digit c, digit e, digit f)
        SELECT @scheduleId, seat_no FROM number WHERE seat_no <= @seatCount
        """;

    public static Task EnsureQueueAsync(MySqlConnection connection, string queue) =>
        connection.ExecuteAsync(EnsureQueueSql, new { queue }, commandTimeout: MySqlLimits.StatementSeconds);

    public static async Task<long> AddConcertAsync(MySqlConnection connection, string title, string queue)
    {
        await EnsureQueueAsync(connection, queue);
        return await connection.ExecuteScalarAsync<long>(
            InsertConcertSql, new { title, queue }, commandTimeout: MySqlLimits.StatementSeconds);
    }

    /// <summary>Adds the schedule with all its seats, or nothing.</summary>
    /// <returns>Null when there is no such concert.</returns>
    public static async Task<long?> AddScheduleAsync(MySqlConnection connection, long concertId, NewSchedule schedule)
    {
        await using var transaction = await TimedTransaction.BeginAsync(connection);
        try
        {
            var scheduleId = await connection.ExecuteScalarAsync<long>(
                InsertScheduleSql,
                new
                {
                    concertId,
                    startsAt = schedule.StartsAt,
                    price = schedule.Price,
                    seatCount = schedule.SeatCount,
                    salesOpenAt = schedule.SalesOpenAt,
                    salesCloseAt = schedule.SalesCloseAt,
                    maxPerUser = schedule.MaxPerUser,
                    hallId = schedule.HallId,
                },
                commandTimeout: MySqlLimits.StatementSeconds);
            await connection.ExecuteAsync(
                InsertSeatsSql, new { scheduleId, seatCount = schedule.SeatCount }, commandTimeout: MySqlLimits.BulkSeconds);
            if (schedule.Prices is { } prices)
            {
                await SchedulePrices.WriteAsync(connection, scheduleId, prices);
            }

            await transaction.CommitAsync();
            return scheduleId;
        }
        catch (MySqlException exception) when (exception.ErrorCode == MySqlErrorCode.NoReferencedRow2)
        {
            return null;
        }
    }
}
