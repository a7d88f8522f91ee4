using ConcertBooking.Concerts;
using ConcertBooking.Queue;
using MySqlConnector;

namespace ConcertBooking.Commands;

/// <summary>A hall of 916 seats with four grades and curved rows, and one concert in it.</summary>
internal static class DemoHall
{
    private static readonly Dictionary<string, long> Prices = new() { ["VIP"] = 198_000, ["R"] = 165_000, ["S"] = 143_000, ["A"] = 99_000 };

    /// <summary>In metres and degrees. Row 1 of the floor has no seat 13.</summary>
    private static readonly NewHallSection[] Sections =
    [
        new("Floor", "VIP", [new("1", 20, Skip: [13]), .. Rows(2, 7, 20)], new(-5, 4, 0, 0.15m)),
        new("Left", "R", Rows(1, 10, 12), new(-13, 5, 25, 0.1m)),
        new("Right", "R", Rows(1, 10, 12), new(7, 5, -25, 0.1m)),
        new("Rear", "S", Rows(1, 10, 30), new(-8, 14, 0, 0.2m)),
        new("Balcony", "A", Rows(1, 6, 36, from: 101), new(-9, 25, 0, 0.25m)),
    ];

    public static async Task AddAsync(MySqlConnection connection, DateTime startsAt)
    {
        var hall = HallDesign.Read("Harbour Hall", Sections, out var problem)
            ?? throw new InvalidOperationException(problem!.Detail);
        var hallId = await Halls.AddAsync(connection, hall);
        var concertId = await Catalogue.AddConcertAsync(connection, "An Evening in the Round", IssueToken.DefaultQueue);
        await Catalogue.AddScheduleAsync(
            connection, concertId, new(startsAt, Prices.Values.Min(), hall.SeatCount, HallId: hallId, Prices: Prices));
    }

    private static NewHallRow[] Rows(int first, int count, int seats, int from = 1) =>
        [.. Enumerable.Range(first, count).Select(row => new NewHallRow($"{row}", seats, from))];
}
