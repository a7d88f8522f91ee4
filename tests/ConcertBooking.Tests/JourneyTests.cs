using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests;

/// <summary>The way of a visitor from the queue to the confirmed seat.</summary>
[Category("Containers")]
public sealed class JourneyTests : SharedRigTests
{
    [Test]
    public async Task Journey_OnOneInstance_ConfirmsTheSeat()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show, seatNo: 7);

        var payment = (await visitor.PayAsync(reservationId)).Expect(201);

        await Assert.That(payment.Number("balance")).IsEqualTo(0);
        await Assert.That((await visitor.ReservationAsync(reservationId)).Expect(200).Value("status")).IsEqualTo("CONFIRMED");
        await Rig.VerifyAsync();
    }
}
