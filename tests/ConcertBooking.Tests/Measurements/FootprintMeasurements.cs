using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Measurements;

/// <summary>What the program takes of a small machine; the native one, since a just-in-time compiler takes more than all else.</summary>
[Category("Measurement"), Explicit, NotInParallel]
public sealed class FootprintMeasurements : SharedRigTests
{
    /// <summary>
    /// Every part at work: both roles, MySQL, Redis, Kafka, the consumers. What is bounded is the program's own memory;
    /// pages of its files come and go as the system has room.
    /// </summary>
    [Test]
    public async Task Memory_AfterAThousandRequests()
    {
        const int Seats = 100;
        await using var rig = await EventRig.StartAsync(Rig);
        var service = rig.Fleet.Members[0].Instance;
        var show = await rig.Fleet.Catalogue.AddShowAsync(seats: Seats);
        var idle = (service.Process.ResidentMegabytes, service.Process.AnonymousMegabytes);

        for (var seatNo = 1; seatNo <= Seats; seatNo++)
        {
            (await service.Api.GetAsync("/v1/concerts")).Expect(200);
            (await service.Api.GetAsync($"/v1/concerts/{show.ConcertId}/schedules")).Expect(200);
            (await service.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200);
            var visitor = await rig.Fleet.NewVisitorAsync(show, points: show.Price); // enters and charges
            (await visitor.PlaceAsync()).Expect(200);
            var reservationId = await visitor.HeldAsync(show, seatNo);
            (await visitor.PayAsync(reservationId)).Expect(201);
            (await visitor.ReservationAsync(reservationId)).Expect(200);
            (await visitor.GetAsync("/v1/points/transactions")).Expect(200);
        }

        var loaded = (service.Process.ResidentMegabytes, service.Process.AnonymousMegabytes);
        TestContext.Current!.Output.WriteLine($"MB resident, and of these its own: {idle} before, {loaded} after {Seats * 10} requests");
        await Assert.That(loaded.AnonymousMegabytes).IsLessThan(40);
    }
}
