using ConcertBooking.Tests.Chaos;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

internal static class Settling
{
    /// <summary>
    /// Ends every instance in order, so that nothing is under way, starts one again that sweeps what is overdue, and
    /// compares: the invariants hold, and the database tells what the journal tells.
    /// </summary>
    /// <param name="fleet">Whose instances end.</param>
    /// <param name="journal">What their callers were told.</param>
    /// <param name="kafka">Where the fleet's events go, if anywhere: then none may stay behind, not even what a killed
    /// relay had claimed.</param>
    public static async Task SettleAsync(this Fleet fleet, Journal journal, string? kafka = null)
    {
        await fleet.StopAsync();
        await fleet.Members[0].StartAsync();
        await Eventually.TrueAsync(
            async () => await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM reservation WHERE status = 'HELD'") == 0);
        List<PublishedEvent> published = [];
        if (kafka is not null)
        {
            await Eventually.TrueAsync(
                async () => await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox") == 0);
            published = await KafkaTopics.ReadAllAsync(kafka, "concert-booking.reservations", "concert-booking.payments");
        }
        await fleet.VerifyAsync();
        await Audit.CheckAsync(journal, fleet.Database, published);
    }
}
