using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Reservations;

public sealed class ExpireHoldsTests : SharedRigTests
{
    [Test]
    public async Task Sweep_OverdueHold_Expires()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var reservationId = await visitor.HeldAsync(show, seatNo: 5);

        await Rig.Database.LetHoldPassAsync(reservationId);

        await Assert.That((await visitor.ReservationAsync(reservationId)).Expect(200).Value("status")).IsEqualTo("EXPIRED")
            .Because("a hold past its time reads so at once");
        await Eventually.GetAsync(() => Rig.Database.StatusAsync(reservationId), status => status == "EXPIRED");
    }

    [Test]
    public async Task Sweep_ManyOverdueHolds_ExpiresThemAll()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 120);
        var held = await Task.WhenAll(Enumerable.Range(0, 30).Select(async index =>
        {
            var visitor = await Rig.NewVisitorAsync(show);
            return await Task.WhenAll(Enumerable.Range(1, 4).Select(seat => visitor.HeldAsync(show, (index * 4) + seat)));
        }));
        await Assert.That(held.Sum(seats => seats.Length)).IsEqualTo(120);

        await Rig.Database.EndHoldsAsync(TimeSpan.FromSeconds(-1), "schedule_id = @schedule", ("@schedule", show.ScheduleId));

        await Eventually.GetAsync(
            () => Rig.Database.ScalarAsync<long>(
                "SELECT COUNT(*) FROM reservation WHERE schedule_id = @schedule AND status = 'EXPIRED'", ("@schedule", show.ScheduleId)),
            expired => expired == 120);
    }
}
