using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Chaos;

internal static class Sale
{
    private const long Price = 1_000;

    /// <summary>Schedules of one concert, to be sold one after another, behind a queue that lets not quite everybody in.</summary>
    public static async Task<Show[]> OpenAsync(Fleet fleet, int schedules, int maxActive, int seats = 100)
    {
        var queue = await fleet.Catalogue.AddQueueAsync(maxActive, activeSeconds: 10);
        var concert = await fleet.Catalogue.AddConcertAsync(queue);
        var shows = new Show[schedules];
        for (var index = 0; index < schedules; index++)
        {
            shows[index] = new Show(queue, concert, await fleet.Catalogue.AddScheduleAsync(concert, seats, Price), seats, Price);
        }

        return shows;
    }
}
