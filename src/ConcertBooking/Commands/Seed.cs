using System.Globalization;
using ConcertBooking.Concerts;
using ConcertBooking.Queue;

namespace ConcertBooking.Commands;

/// <summary>
/// Adds demo concerts: each schedule a week apart, the first in a month, 50,000 points a seat. Without arguments also one in a hall.
/// </summary>
internal static class Seed
{
    private const long Price = 50_000;

    private static readonly string[] Titles =
        ["Moonlight Sonata Live", "Harbour Lights Festival", "The Quiet Hour", "Strings at Dusk", "Northern Choir"];

    public static async Task<int> RunAsync(IConfiguration configuration, string[] arguments)
    {
        var (concerts, schedules, seats) = (3, 5, 50);
        for (var index = 0; index < arguments.Length; index += 2)
        {
            var value = index + 1 < arguments.Length
                && int.TryParse(arguments[index + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
            var known = arguments[index] switch
            {
                "--concerts" when value is >= 1 and <= 10_000 => (concerts = value) > 0,
                "--schedules" when value is >= 1 and <= 1_000 => (schedules = value) > 0,
                "--seats" when value is >= 1 and <= Catalogue.MaximumSeats => (seats = value) > 0,
                _ => false,
            };
            if (!known)
            {
                Console.Error.WriteLine(
                    $"concert-booking: seed takes --concerts 1-10000, --schedules 1-1000 and --seats 1-{Catalogue.MaximumSeats}");
                return 2;
            }
        }

        await using var source = MySqlSession.Source(MySqlSession.Settings(Settings.LoadMySql(configuration)));
        await using var connection = await source.OpenConnectionAsync();
        var first = DateTime.SpecifyKind(TimeProvider.System.GetUtcNow().UtcDateTime.Date.AddDays(30).AddHours(19), DateTimeKind.Utc);
        for (var concert = 0; concert < concerts; concert++)
        {
            var concertId = await Catalogue.AddConcertAsync(connection, Titles[concert % Titles.Length], IssueToken.DefaultQueue);
            for (var schedule = 0; schedule < schedules; schedule++)
            {
                await Catalogue.AddScheduleAsync(connection, concertId, new(first.AddDays(7 * schedule), Price, seats));
            }
        }

        if (arguments.Length == 0)
        {
            await DemoHall.AddAsync(connection, first);
            Console.WriteLine("added a hall with four grades and a concert in it");
        }

        Console.WriteLine($"added {concerts} concerts with {schedules} schedules of {seats} seats each");
        return 0;
    }
}
