using ConcertBooking.Tests.Chaos;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

internal static class Settling
{
    /// <summary>
    /// Ends every instance in order, so that nothing is under way, starts one again that sweeps what is overdue, and
    /// compares: the invariants hold, and the database tells what the journal tells.
    /// </summary>
    public static async Task SettleAsync(this Fleet fleet, Journal journal)
    {
        await fleet.StopAsync();
        await fleet.Members[0].StartAsync();
        await Eventually.TrueAsync(
            async () => await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM reservation WHERE status = 'HELD'") == 0,
            within: TimeSpan.FromSeconds(15));
        await fleet.VerifyAsync();
        await Audit.CheckAsync(journal, fleet.Database);
    }
}
