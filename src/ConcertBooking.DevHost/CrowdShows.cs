using System.Text.Json.Nodes;

namespace ConcertBooking.DevHost;

/// <param name="Title">Of its concert.</param>
internal sealed record CrowdShow(long ScheduleId, string Title, long AvailableSeats);

/// <summary>The shows that a crowd wants seats of: those of one queue that had some left, one of them everybody's favourite.</summary>
internal sealed class CrowdShows
{
    /// <summary>Half of the buyers try this one first, so that its seat map changes quickly.</summary>
    private const double FavouriteShare = 0.5;

    private readonly List<CrowdShow> _shows;

    private CrowdShows(List<CrowdShow> shows) => _shows = shows;

    public CrowdShow Favourite => _shows[0];

    public int Count => _shows.Count;

    /// <exception cref="HostException">Nothing is left.</exception>
    public static async Task<CrowdShows> FindAsync(CrowdApi api, string queue, CancellationToken cancellationToken)
    {
        var shows = new List<CrowdShow>();
        var concerts = (await api.SendAsync(new("GET", "/v1/concerts?limit=100"), cancellationToken)).Expected();
        foreach (var concert in concerts.Items("items").Where(concert => (string?)concert["queue"] == queue))
        {
            var call = new CrowdCall("GET", $"/v1/concerts/{concert["concertId"]}/schedules");
            var schedules = await api.SendAsync(call, cancellationToken);
            shows.AddRange(schedules.Expected().Items("items").Select(schedule => new CrowdShow(
                (long)schedule["scheduleId"]!, (string)concert["title"]!, (long)schedule["availableSeats"]!)));
        }

        shows = [.. shows.Where(static show => show.AvailableSeats > 0).OrderByDescending(static show => show.AvailableSeats)];
        return shows.Count > 0
            ? new CrowdShows(shows)
            : throw new HostException($"No concert of the queue {queue} has seats left; start the DevHost with -- --fresh.");
    }

    /// <returns>The shows that a buyer tries, one after the other, until it has seats.</returns>
    public IEnumerable<CrowdShow> WishesOf(Random random)
    {
        if (random.NextDouble() < FavouriteShare)
        {
            yield return Favourite;
        }

        for (var more = 0; more < 3; more++)
        {
            yield return _shows[random.Next(_shows.Count)];
        }
    }

    /// <returns>The numbers of the seats that are free, in order.</returns>
    public static async Task<IReadOnlyList<int>> FreeSeatsAsync(CrowdApi api, CrowdShow show, CancellationToken cancellationToken)
    {
        var seats = (await api.SendAsync(new("GET", $"/v1/schedules/{show.ScheduleId}/seats"), cancellationToken)).Expected();
        return [.. seats.Items("seats").Where(static seat => IsFree(seat)).Select(static seat => (int)seat["seatNo"]!)];
    }

    private static bool IsFree(JsonNode seat) => (string?)seat["status"] == "AVAILABLE";
}
