using System.Globalization;
using System.Text;

namespace ConcertBooking.Tests.Support;

/// <summary>A page that watches the seats of a schedule: what its picture is after the events so far.</summary>
internal sealed class SeatWatcher : IAsyncDisposable
{
    private readonly ServerEvents _events;
    private readonly StringBuilder _letters = new();

    private SeatWatcher(ServerEvents events, string letters) => (_events, _letters) = (events, new StringBuilder(letters));

    /// <summary>One a seat.</summary>
    public string Letters => _letters.ToString();

    /// <summary>The validator of the picture.</summary>
    public string Id { get; private set; } = "";

    public ServerEvents Events => _events;

    public static string PathOf(Show show) => $"/v1/schedules/{show.ScheduleId}/seats/events";

    /// <summary>Opens a stream and takes its snapshot.</summary>
    public static async Task<SeatWatcher> OpenAsync(Api api, Show show)
    {
        var watcher = new SeatWatcher(await ServerEvents.OpenAsync(api, PathOf(show)), "");
        await watcher.NextAsync("snapshot");
        return watcher;
    }

    /// <summary>Opens another stream that goes on from the picture.</summary>
    public async Task<SeatWatcher> ResumeAsync(Api api, Show show) =>
        new(await ServerEvents.OpenAsync(api, PathOf(show), ("Last-Event-ID", Id)), Letters) { Id = Id };

    /// <summary>The next event, which must be of that kind.</summary>
    public async Task<StreamEvent> NextAsync(string name = "delta", TimeSpan? within = null)
    {
        var next = await _events.NextAsync(within);
        if (next.Name != name)
        {
            Assert.Fail($"Expected {name} but got {next.Text}");
        }

        Apply(next);
        return next;
    }

    /// <summary>Reads on until the picture is that one.</summary>
    public async Task ShowsAsync(string letters, TimeSpan? within = null)
    {
        while (Letters != letters)
        {
            Apply(await _events.NextAsync(within));
        }
    }

    /// <summary>The letters of the seat list, which is the other way to see the seats.</summary>
    public static async Task<string> ListedAsync(Api api, Show show) => string.Concat(
        (await api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200).Items("seats")
            .Select(static seat => seat.Value("status")[0]));

    public ValueTask DisposeAsync() => _events.DisposeAsync();

    private void Apply(StreamEvent next)
    {
        if (next.Name == "snapshot")
        {
            next.Data.ExpectMembers("scheduleId", "availableSeats", "states");
            _letters.Clear().Append(next.Data.Value("states"));
        }
        else
        {
            next.Data.ExpectMembers("seats", "availableSeats");
            foreach (var seat in next.Data.GetProperty("seats").EnumerateArray())
            {
                _letters[seat[0].GetInt32() - 1] = seat[1].GetString()![0];
            }
        }

        Id = next.Id;
        if (next.Data.Number("availableSeats") != Letters.Count(static letter => letter == 'A'))
        {
            Assert.Fail($"The picture {Letters} has another number of free seats than {next.Text}");
        }
    }
}

internal static class SeatStreamMetrics
{
    /// <summary>How many streams of seats are open, by the instance's gauge.</summary>
    public static async Task<int> OpenSeatStreamsAsync(this Instance instance) => int.Parse(
        (await instance.Management.GetAsync("/metrics")).Text.Split('\n')
            .Single(static line => line.StartsWith("booking_seat_streams{", StringComparison.Ordinal)).Split(' ')[1],
        CultureInfo.InvariantCulture);
}
