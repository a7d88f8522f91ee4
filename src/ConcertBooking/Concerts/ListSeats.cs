using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text.Json.Serialization;
using System.Text.Unicode;
using Dapper;

namespace ConcertBooking.Concerts;

/// <param name="Status"><c>AVAILABLE</c>, <c>HELD</c> or <c>SOLD</c>.</param>
public sealed record SeatItem(int SeatNo, string Status);

public sealed record SeatList(long ScheduleId, long Price, int AvailableSeats, IReadOnlyList<SeatItem> Seats);

internal sealed class SeatPlanRow
{
    public long Price { get; set; }
    public int SeatCount { get; set; }
}

internal sealed class TakenSeatRow
{
    public int SeatNo { get; set; }
    public bool Sold { get; set; }
}

/// <summary>The seats of a schedule. Seats are numbered from 1, so only the taken ones are read.</summary>
internal static class ListSeats
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/schedules/{scheduleId:long}/seats", HandleAsync)
            .WithName("ListSeats").WithTags("Catalogue").WithSummary("List the seats of a schedule")
            .WithDescription(
                "Every seat of a schedule, by number from 1, with its status: `AVAILABLE`, `HELD` or `SOLD`. A change shows within a "
                + "second. `GET /v1/schedules/{scheduleId}/plan` has the sections, rows and labels of the seats.")
            .WithParameter("scheduleId", "A schedule of a concert.", 1)
            .WithExample(static () => new SeatList(1, 50_000, 1, [new(1, "SOLD"), new(2, "HELD"), new(3, "AVAILABLE")]))
            .Cached<SeatList>()
            .WithProblems(Problems.ScheduleNotFound);

    private const string ScheduleSql =
        $"SELECT s.price AS Price, {Catalogue.SeatCountSql} AS SeatCount FROM concert_schedule s WHERE s.schedule_id = @scheduleId";

    private const string TakenSql = """
        SELECT seat_no AS SeatNo, status = 'CONFIRMED' AS Sold FROM reservation
        WHERE schedule_id = @scheduleId AND live = 1 AND (status = 'CONFIRMED' OR held_expires_at > NOW(3))
        """;

    private static Task<IResult> HandleAsync(long scheduleId, MySqlDatabase database, ResponseCache cache) =>
        cache.GetAsync($"seats/{scheduleId}", previous => database.ReadAsync(
            async (connection, _) =>
            {
                var plan = await connection.QueryFirstOrDefaultAsync<SeatPlanRow>(
                    ScheduleSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds);
                if (plan is null)
                {
                    return CachedResponse.Of(Problems.ScheduleNotFound);
                }

                var taken = await connection.QueryAsync<TakenSeatRow>(
                    TakenSql, new { scheduleId }, commandTimeout: MySqlLimits.StatementSeconds);
                return Build(scheduleId, plan, taken.ToList(), previous);
            },
            CancellationToken.None));

    private const byte Available = 0, Held = 1, Sold = 2;

    /// <summary>The longest seat: <c>{"seatNo":100000,"status":"AVAILABLE"},</c>.</summary>
    private const int MaximumSeatBytes = 40;
    private const int MaximumOtherBytes = 160;

    /// <summary>
    /// Writes the <see cref="SeatList"/> directly into a pooled buffer: a list of up to 100,000 seats is rebuilt twice a second
    /// while clients poll it, and is mostly unchanged.
    /// </summary>
    private static CachedResponse Build(long scheduleId, SeatPlanRow plan, List<TakenSeatRow> taken, CachedResponse? previous)
    {
        var status = ArrayPool<byte>.Shared.Rent(plan.SeatCount);
        var buffer = ArrayPool<byte>.Shared.Rent((plan.SeatCount * MaximumSeatBytes) + MaximumOtherBytes);
        try
        {
            status.AsSpan(0, plan.SeatCount).Clear();
            var available = plan.SeatCount;
            foreach (var seat in taken.Where(seat => seat.SeatNo <= plan.SeatCount))
            {
                status[seat.SeatNo - 1] = seat.Sold ? Sold : Held;
                available--;
            }

            var json = buffer.AsSpan(0, Write(buffer, scheduleId, plan, available, status.AsSpan(0, plan.SeatCount)));
            return previous is { Problem: null } && previous.HasSameBytes(json) ? previous : CachedResponse.Of(json.ToArray());
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(status);
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int Write(Span<byte> target, long scheduleId, SeatPlanRow plan, int available, ReadOnlySpan<byte> status)
    {
        Utf8.TryWrite(
            target, CultureInfo.InvariantCulture,
            $"{{\"scheduleId\":{scheduleId},\"price\":{plan.Price},\"availableSeats\":{available},\"seats\":[",
            out var length);
        for (var index = 0; index < status.Length; index++)
        {
            "{\"seatNo\":"u8.CopyTo(target[length..]);
            length += 10;
            Utf8Formatter.TryFormat(index + 1, target[length..], out var digits);
            length += digits;
            var rest = status[index] switch
            {
                Available => ",\"status\":\"AVAILABLE\"},"u8,
                Held => ",\"status\":\"HELD\"},"u8,
                _ => ",\"status\":\"SOLD\"},"u8,
            };
            rest.CopyTo(target[length..]);
            length += rest.Length;
        }

        length -= status.Length > 0 ? 1 : 0; // the last comma
        "]}"u8.CopyTo(target[length..]);
        return length + 2;
    }
}

/// <summary>For the OpenAPI document; <see cref="ListSeats"/> writes the list itself.</summary>
[JsonSerializable(typeof(SeatList))]
internal sealed partial class ListSeatsJson : JsonSerializerContext;
