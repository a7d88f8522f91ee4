using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests;

/// <summary>The way of a visitor from the queue to the confirmed seat. Short: it also runs where the servers are containers.</summary>
[Category("Containers")]
public sealed class JourneyTests : SharedRigTests
{
    [Test]
    public async Task Journey_OnOneInstance_ConfirmsTheSeat() => await WalkAsync(Rig.A, Rig.A, Rig.A);

    [Test]
    public async Task Journey_EnterOnOneHoldOnTheOtherPayOnTheFirst_ConfirmsTheSeat() => await WalkAsync(Rig.A, Rig.B, Rig.A);

    private async Task WalkAsync(Instance enterOn, Instance holdOn, Instance payOn)
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 20, price: 50_000);
        var visitor = Rig.NewVisitor(enterOn);
        var entered = await visitor.EnteredAsync(show.Queue);
        await Assert.That(entered.Value("status")).IsEqualTo("ACTIVE");

        visitor.Api = holdOn.Api;
        var schedules = (await visitor.Api.GetAsync($"/v1/concerts/{show.ConcertId}/schedules")).Expect(200);
        var scheduleId = schedules.Items().Single().Number("scheduleId");
        var seats = (await visitor.Api.GetAsync($"/v1/schedules/{scheduleId}/seats")).Expect(200);
        var seatNo = seats.Items("seats").First(seat => seat.Value("status") == "AVAILABLE").Number("seatNo");
        var reservationId = (await visitor.HoldAsync(scheduleId, seatNo)).Expect(201).Value("reservationId");
        (await visitor.ChargeAsync(100_000)).Expect(201);

        visitor.Api = payOn.Api;
        var payment = (await visitor.PayAsync(reservationId)).Expect(201);
        await Assert.That(payment.Number("balance")).IsEqualTo(50_000);

        await Assert.That((await visitor.ReservationAsync(reservationId)).Expect(200).Value("status")).IsEqualTo("CONFIRMED");
        await Assert.That((await visitor.GetAsync($"/v1/payments/{payment.Value("paymentId")}")).Expect(200).Number("amount"))
            .IsEqualTo(50_000);
        var ledger = (await visitor.GetAsync("/v1/points/transactions")).Expect(200).Items();
        await Assert.That(ledger.Select(row => row.Value("type")).SequenceEqual(["USE", "CHARGE"])).IsTrue();
        await Eventually.GetAsync(
            () => enterOn.Api.GetAsync($"/v1/schedules/{scheduleId}/seats"),
            reply => reply.Items("seats").Single(seat => seat.Number("seatNo") == seatNo).Value("status") == "SOLD",
            TimeSpan.FromSeconds(1));
        (await visitor.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
        await Rig.VerifyAsync();
    }
}
