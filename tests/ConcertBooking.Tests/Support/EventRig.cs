using ConcertBooking.Servers;

namespace ConcertBooking.Tests.Support;

/// <summary>
/// Instances with a Kafka, a Redis, a database and a webhook that no other test knows: consumers of one group take
/// everything that is on a topic, and a ranking is one for all of a Redis.
/// </summary>
internal sealed class EventRig : IAsyncDisposable
{
    private EventRig(Server kafka, Server redis, Webhook webhook, Fleet fleet) =>
        (Kafka, Redis, Webhook, Fleet) = (kafka, redis, webhook, fleet);

    public Server Kafka { get; }

    public Server Redis { get; }

    public Webhook Webhook { get; }

    public Fleet Fleet { get; }

    public Database Database => Fleet.Database;

    public static async Task<EventRig> StartAsync(Rig rig, int size = 1, params (string Name, string? Value)[] changes) =>
        await StartOnAsync(await KafkaServers.StartAsync(new ServerOptions { AllowNamed = false }), rig, size, changes);

    /// <summary>On a Kafka that the test has prepared; it ends with the rig.</summary>
    public static async Task<EventRig> StartOnAsync(Server kafka, Rig rig, int size = 1, params (string Name, string? Value)[] changes)
    {
        var redis = await RedisServers.StartAsync(new ServerOptions { AllowNamed = false });
        var webhook = new Webhook().Start();
        (string Name, string? Value)[] settings =
        [
            (KafkaServers.Setting, kafka.ConnectionString),
            (RedisServers.Setting, redis.ConnectionString),
            ("Notifications__WebhookUrl", webhook.Address),
            ("Notifications__SigningKey", webhook.Key),
        ];
        var fleet = await Fleet.StartAsync(
            rig, size, [.. changes, .. settings.ExceptBy(changes.Select(change => change.Name), setting => setting.Name)]);
        return new EventRig(kafka, redis, webhook, fleet);
    }

    /// <summary>Sells the first seats of the show, each to a user of its own.</summary>
    /// <returns>The reservations.</returns>
    public async Task<List<string>> SellAsync(Show show, int seats, int from = 1, int member = 0)
    {
        var sold = new List<string>();
        for (var seatNo = from; seatNo < from + seats; seatNo++)
        {
            var visitor = await Fleet.NewVisitorAsync(show, points: show.Price, member);
            sold.Add(await visitor.HeldAsync(show, seatNo));
            (await visitor.PayAsync(sold[^1])).Expect(201);
        }
        return sold;
    }

    /// <summary>Everything that is on the topics, which are this rig's alone.</summary>
    public Task<List<PublishedEvent>> PublishedAsync(params string[] topics) => KafkaTopics.ReadAllAsync(Kafka.ConnectionString, topics);

    public Task<long> SeatsSoldAsync() => Database.ScalarAsync<decimal>("SELECT COALESCE(SUM(seats_sold), 0) FROM sales_daily")
        .ContinueWith(static sum => (long)sum.Result, TaskScheduler.Default);

    public async Task<long> RankedAsync(Show show)
    {
        var reply = await Fleet[0].GetAsync("/v1/rankings/concerts");
        return reply.Status != 200 ? -1 : reply.Json.GetProperty("items").EnumerateArray()
            .Where(item => item.Number("concertId") == show.ConcertId).Select(item => item.Number("seatsSold")).SingleOrDefault();
    }

    /// <summary>Every payment of the show is in the sums, in the ranking and at the webhook, once.</summary>
    public async Task ExpectEffectsOnceAsync(Show show, int payments)
    {
        await Eventually.GetAsync(SeatsSoldAsync, sold => sold >= payments);
        await Eventually.GetAsync(() => RankedAsync(show), ranked => ranked >= payments, report: ConsumersAsync);
        await Eventually.TrueAsync(() => Webhook.Taken.Select(taken => taken.EventId).Distinct().Count() >= payments);
        await Assert.That(await SeatsSoldAsync()).IsEqualTo(payments);
        await Assert.That(await RankedAsync(show)).IsEqualTo(payments);
        await Assert.That(Webhook.Taken.Select(taken => taken.EventId).Distinct().Count()).IsEqualTo(payments);
        await Assert.That(Webhook.Taken.Select(taken => taken.Body).Distinct().Count()).IsEqualTo(payments);
    }

    /// <summary>What the first instance tells and has logged of its consumers, for when they do not what they should.</summary>
    private async Task<string> ConsumersAsync()
    {
        var instance = Fleet.Members[0].Instance;
        var metrics = (await instance.Management.GetAsync("/metrics")).Text.Split('\n')
            .Where(static line => line.StartsWith("booking_consumer", StringComparison.Ordinal));
        var log = instance.Process.Output.Where(static line => line.Contains("concert-booking.", StringComparison.Ordinal)).TakeLast(20);
        return $"\n{string.Join('\n', metrics.Concat(log))}";
    }

    /// <summary>Every group has finished everything that is on the topic of payments.</summary>
    public Task ExpectNoLagAsync() => Eventually.GetAsync(
        async () =>
        {
            var metrics = (await Fleet.Members[0].Instance.Management.GetAsync("/metrics")).Text;
            return string.Join(
                '\n', metrics.Split('\n').Where(static line => line.StartsWith("booking_consumer_lag{", StringComparison.Ordinal)));
        },
        static lags => lags.Split('\n') is { Length: 3 } lines && lines.All(static line => line.Split(' ')[1] == "0"),
        what: "no group is behind");

    public async ValueTask DisposeAsync()
    {
        await Fleet.DisposeAsync();
        await Webhook.DisposeAsync();
        await Redis.DisposeAsync();
        await Kafka.DisposeAsync();
    }
}
