using ConcertBooking.Tests.Events;
using ConcertBooking.Tests.Operations;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Rankings;

/// <summary>MySQL is restored from a backup: what was sold since never happened, and is not ranked any more.</summary>
[ParallelLimiter<TwoAtOnce>]
public sealed class RestoreTests : SharedRigTests
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(90);

    [Test]
    public async Task Rankings_MySqlRestoredWhileSalesGoOn_LoseWhatNeverHappenedAndNothingElse()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        using var onCall = new OnCall("Restore from a backup", rig.Fleet, new Dictionary<string, string?>());
        var (kept, other) = (await rig.Fleet.Catalogue.AddShowAsync(seats: 4), await rig.Fleet.Catalogue.AddShowAsync(seats: 50));
        await rig.SellAsync(kept, seats: 2);
        await rig.SellAsync(other, seats: 1);
        await Eventually.TrueAsync(async () => await rig.RankedAsync(kept) == 2 && await rig.RankedAsync(other) == 1, s_soon);
        var lost = await rig.SellAsync(kept, seats: 2, from: 3);
        await Eventually.TrueAsync(async () => await rig.RankedAsync(kept) == 4 && (await SoldOutAsync(rig)).Contains(kept.ScheduleId), s_soon);

        // No restore is done in a second.
        await Eventually.TrueAsync(
            async () => await rig.Database.ScalarAsync<long>("SELECT TIMESTAMPDIFF(SECOND, MAX(created_at), NOW(6)) FROM payment") > 1, s_soon);
        await RestoreAsync(rig.Database, lost);
        using var stop = new CancellationTokenSource();
        var selling = SellOnAsync();
        await Eventually.GetAsync(
            () => rig.RankedAsync(kept), ranked => ranked == 2 || (ranked is 4 or -1 ? false : throw new InvalidOperationException($"{ranked} were ranked in between")), s_soon);
        await stop.CancelAsync();
        var sold = await selling;

        await Eventually.GetAsync(() => rig.RankedAsync(other), ranked => ranked == 1 + sold, s_soon);
        await Eventually.TrueAsync(async () => !(await SoldOutAsync(rig)).Contains(kept.ScheduleId), s_soon);
        await Assert.That(await rig.RankedAsync(kept)).IsEqualTo(2);
        await Assert.That(await onCall.ShellAsync(1)).Contains("\"seatsSold\":2");

        async Task<int> SellOnAsync()
        {
            var count = 0;
            for (; !stop.IsCancellationRequested && count < 45; count++)
                await rig.SellAsync(other, seats: 1, from: 2 + count);
            return count;
        }
    }

    /// <summary>As the tables were before these were held.</summary>
    private static async Task RestoreAsync(Database database, IReadOnlyList<string> reservations)
    {
        var ids = string.Join(',', reservations.Select(id => $"X'{id.Replace("-", "", StringComparison.Ordinal)}'"));
        await database.ExecuteAsync($"""
            SET FOREIGN_KEY_CHECKS = 0;
            DELETE t FROM point_tx t JOIN payment p ON t.reference = p.payment_id WHERE p.reservation_id IN ({ids});
            DELETE FROM payment WHERE reservation_id IN ({ids});
            UPDATE seat SET reservation_id = NULL WHERE reservation_id IN ({ids});
            DELETE FROM outbox WHERE event_key IN ({ids});
            DELETE FROM reservation WHERE reservation_id IN ({ids});
            SET FOREIGN_KEY_CHECKS = 1
            """);
    }

    private static async Task<List<long>> SoldOutAsync(EventRig rig)
    {
        var reply = await rig.Fleet[0].GetAsync("/v1/rankings/sold-out");
        return reply.Status != 200 ? [] : [.. reply.Json.GetProperty("items").EnumerateArray().Select(static item => item.Number("scheduleId"))];
    }
}
