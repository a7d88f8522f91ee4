using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text.Json.Serialization;
using System.Text.Unicode;

namespace ConcertBooking.Concerts;

/// <param name="Status"><c>AVAILABLE</c>, <c>HELD</c> or <c>SOLD</c>.</param>
public sealed record SeatItem(int SeatNo, string Status);

public sealed record SeatList(long ScheduleId, long Price, int AvailableSeats, IReadOnlyList<SeatItem> Seats);

/// <summary>The seats of a schedule, which are numbered from 1.</summary>
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

    private static Task<IResult> HandleAsync(long scheduleId, SeatStateCache seats, ResponseCache cache) =>
        cache.GetAsync($"seats/{scheduleId}", async previous => await seats.GetAsync(scheduleId) is { } states
            ? Build(scheduleId, states, previous)
            : CachedResponse.Of(Problems.ScheduleNotFound));

    /// <summary>The longest seat: <c>{"seatNo":100000,"status":"AVAILABLE"},</c>.</summary>
    private const int MaximumSeatBytes = 40;
    private const int MaximumOtherBytes = 160;

    /// <summary>
    /// Writes the <see cref="SeatList"/> directly into a pooled buffer: a list of up to 100,000 seats is rebuilt twice a second
    /// while clients poll it, and is mostly unchanged.
    /// </summary>
    private static CachedResponse Build(long scheduleId, SeatStates states, CachedResponse? previous)
    {
        var buffer = ArrayPool<byte>.Shared.Rent((states.Letters.Length * MaximumSeatBytes) + MaximumOtherBytes);
        try
        {
            var json = buffer.AsSpan(0, Write(buffer, scheduleId, states));
            return previous is { Problem: null } && previous.HasSameBytes(json) ? previous : CachedResponse.Of(json.ToArray());
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int Write(Span<byte> target, long scheduleId, SeatStates states)
    {
        var letters = states.Letters;
        Utf8.TryWrite(
            target, CultureInfo.InvariantCulture,
            $"{{\"scheduleId\":{scheduleId},\"price\":{states.Price},\"availableSeats\":{states.AvailableSeats},\"seats\":[",
            out var length);
        for (var index = 0; index < letters.Length; index++)
        {
            "{\"seatNo\":"u8.CopyTo(target[length..]);
            length += 10;
            Utf8Formatter.TryFormat(index + 1, target[length..], out var digits);
            length += digits;
            var rest = letters[index] switch
            {
                SeatStates.Available => ",\"status\":\"AVAILABLE\"},"u8,
                SeatStates.Held => ",\"status\":\"HELD\"},"u8,
                _ => ",\"status\":\"SOLD\"},"u8,
            };
            rest.CopyTo(target[length..]);
            length += rest.Length;
        }

        length -= letters.Length > 0 ? 1 : 0; // the last comma
        "]}"u8.CopyTo(target[length..]);
        return length + 2;
    }
}

/// <summary>For the OpenAPI document; <see cref="ListSeats"/> writes the list itself.</summary>
[JsonSerializable(typeof(SeatList))]
internal sealed partial class ListSeatsJson : JsonSerializerContext;
