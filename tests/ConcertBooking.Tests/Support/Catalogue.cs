using System.Globalization;

namespace ConcertBooking.Tests.Support;

/// <summary>One schedule of one concert with a queue that no other test uses.</summary>
public sealed record Show(string Queue, long ConcertId, long ScheduleId, int SeatCount, long Price);

/// <summary>Adds to the catalogue through the admin calls.</summary>
public sealed class Catalogue(Visitor admin)
{
    /// <summary>A queue that admits everybody at once would hide nothing else, so that is the default.</summary>
    public const int Everybody = 100_000;

    public async Task<Show> AddShowAsync(int seats = 10, long price = 50_000, int maxActive = Everybody, int activeSeconds = 600)
    {
        var queue = await AddQueueAsync(maxActive, activeSeconds);
        var concertId = await AddConcertAsync(queue);
        return new Show(queue, concertId, await AddScheduleAsync(concertId, seats, price), seats, price);
    }

    public static string NewQueueName() => $"q-{Guid.NewGuid():N}";

    public async Task<string> AddQueueAsync(int maxActive = Everybody, int activeSeconds = 600)
    {
        var queue = NewQueueName();
        (await PutQueueAsync(queue, maxActive, activeSeconds)).Expect(200);
        return queue;
    }

    /// <inheritdoc cref="Eventually.ReachedAsync"/>
    public Task<Reply> PutQueueAsync(string queue, int maxActive, int activeSeconds = 600, int? admitPerSecond = null)
    {
        var rate = admitPerSecond?.ToString(CultureInfo.InvariantCulture) ?? "null";
        return Eventually.ReachedAsync(() => admin.SendAsync(
            HttpMethod.Put, $"/v1/admin/queues/{queue}",
            $$"""{"maxActive":{{maxActive}},"activeSeconds":{{activeSeconds}},"admitPerSecond":{{rate}}}"""));
    }

    /// <inheritdoc cref="Eventually.ReachedAsync"/>
    public async Task<Reply> GetQueueAsync(string queue) =>
        (await Eventually.ReachedAsync(() => admin.GetAsync($"/v1/admin/queues/{queue}"))).Expect(200);

    public async Task<long> AddConcertAsync(string queue, string title = "The Quiet Hour") =>
        (await admin.PostAsync("/v1/admin/concerts", $$"""{"title":"{{title}}","queue":"{{queue}}"}""")).Expect(201).Number("concertId");

    public async Task<long> AddScheduleAsync(long concertId, int seats = 10, long price = 50_000, DateTimeOffset? startsAt = null)
    {
        var moment = (startsAt ?? TimeProvider.System.GetUtcNow().AddDays(30)).UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        var reply = await admin.PostAsync(
            $"/v1/admin/concerts/{concertId}/schedules", $$"""{"startsAt":"{{moment}}","seatCount":{{seats}},"price":{{price}}}""");
        return reply.Expect(201).Number("scheduleId");
    }

    /// <summary>12 seats: section A of grade R with two rows of 3, the first without a label 2; section B of grade S with one.</summary>
    public const string SmallHall = """
        {"name":"Small hall","sections":[
          {"section":"A","grade":"R","layout":{"x":-1.50,"y":2,"angle":12.5,"curve":0.125},
            "rows":[{"row":"1","seats":3,"skip":[2]},{"row":"2","seats":3,"from":11}]},
          {"section":"B","grade":"S","rows":[{"row":"1","seats":6}]}]}
        """;

    public async Task<long> AddHallAsync(string hall = SmallHall) =>
        (await admin.PostAsync("/v1/admin/halls", hall)).Expect(201).Number("hallId");

    /// <summary>A schedule in a hall, with a queue that no other test uses; its price is the lowest.</summary>
    public async Task<Show> AddHallShowAsync(string hall = SmallHall, string prices = """{"R":165000,"S":143000}""", string more = "")
    {
        var queue = await AddQueueAsync();
        var (concertId, hallId) = (await AddConcertAsync(queue), await AddHallAsync(hall));
        var reply = (await admin.PostAsync(
            $"/v1/admin/concerts/{concertId}/schedules",
            $$"""{"startsAt":"2035-03-04T12:00:00Z","hallId":{{hallId}},"prices":{{prices}}{{more}}}""")).Expect(201);
        return new Show(queue, concertId, reply.Number("scheduleId"), (int)reply.Number("seatCount"), reply.Number("price"));
    }
}
