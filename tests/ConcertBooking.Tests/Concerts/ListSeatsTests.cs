using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Concerts;

public sealed class ListSeatsTests : SharedRigTests
{
    private static readonly TimeSpan Promised = TimeSpan.FromSeconds(1);

    [Test]
    public async Task ListSeats_NewSchedule_Returns200AllAvailable()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 12, price: 30_000);

        var reply = (await SeatsAsync(show)).Expect(200).ExpectMembers("scheduleId", "price", "availableSeats", "seats");

        await Assert.That(reply.Number("scheduleId")).IsEqualTo(show.ScheduleId);
        await Assert.That(reply.Number("price")).IsEqualTo(30_000);
        await Assert.That(reply.Number("availableSeats")).IsEqualTo(12);
        var seats = reply.Items("seats");
        seats[0].ExpectMembers("seatNo", "status");
        await Assert.That(seats.Select(seat => seat.Number("seatNo")))
            .IsEquivalentTo(Enumerable.Range(1, 12).Select(seatNo => (long)seatNo));
        await Assert.That(seats.All(seat => seat.Value("status") == "AVAILABLE")).IsTrue();
    }

    /// <summary>An operator may change seat_count by hand: a seat exists that has a row and a number up to it.</summary>
    [Test]
    public async Task ListSeats_SeatCountChangedByHand_ShowsTheSeatsThatCanBeHeld()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 5);
        var visitor = await Rig.NewVisitorAsync(show);
        await visitor.HeldAsync(show, seatNo: 2);
        await visitor.HeldAsync(show, seatNo: 5);
        foreach (var (seatCount, seats, available) in ((int, int, int)[])[(3, 3, 2), (0, 0, 0), (-1, 0, 0), (9, 5, 3)])
        {
            await SetSeatCountAsync(seatCount);
            var list = await Eventually.GetAsync(() => SeatsAsync(show), reply => reply.Expect(200).Items("seats").Count == seats);
            await Assert.That(list.Number("availableSeats")).IsEqualTo(available);
            var schedule = await Eventually.GetAsync(
                async () => (await Rig.A.Api.GetAsync($"/v1/concerts/{show.ConcertId}/schedules")).Expect(200).Items("items")[0],
                item => item.Number("seatCount") == seats);
            await Assert.That(schedule.Number("availableSeats")).IsEqualTo(available);
        }

        (await visitor.HoldAsync(show, seatNo: 9)).ExpectProblem(404, "seat_not_found");
        await SetSeatCountAsync(3);
        (await visitor.HoldAsync(show, seatNo: 4)).ExpectProblem(404, "seat_not_found");
        (await visitor.HoldAsync(show, seatNo: 3)).Expect(201);

        Task SetSeatCountAsync(int seatCount) => Rig.Database.ExecuteAsync(
            "UPDATE concert_schedule SET seat_count = @seatCount WHERE schedule_id = @schedule",
            ("@seatCount", seatCount), ("@schedule", show.ScheduleId));
    }

    [Test]
    [Arguments("0")]
    [Arguments("9223372036854775807")]
    public async Task ListSeats_UnknownSchedule_Returns404(string scheduleId) =>
        (await Rig.A.Api.GetAsync($"/v1/schedules/{scheduleId}/seats")).ExpectProblem(404, "schedule_not_found");

    [Test]
    public async Task ListSeats_HoldAndPayment_ShowWithin1S()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 3);
        await ShowsAsync(show, seatNo: 2, "AVAILABLE", available: 3);
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);

        var reservationId = await visitor.HeldAsync(show, seatNo: 2);
        await ShowsAsync(show, seatNo: 2, "HELD", available: 2);

        (await visitor.PayAsync(reservationId)).Expect(201);
        await ShowsAsync(show, seatNo: 2, "SOLD", available: 2);
    }

    [Test]
    public async Task ListSeats_Release_ShowsWithin1S()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 3);
        var visitor = await Rig.NewVisitorAsync(show);
        var reservationId = await visitor.HeldAsync(show, seatNo: 3);
        await ShowsAsync(show, seatNo: 3, "HELD", available: 2);

        (await visitor.ReleaseAsync(reservationId)).Expect(204);

        await ShowsAsync(show, seatNo: 3, "AVAILABLE", available: 3);
    }

    [Test]
    public async Task ListSeats_Expiry_ShowsWithin1S()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 3);
        var visitor = await Rig.NewVisitorAsync(show);
        var reservationId = await visitor.HeldAsync(show, seatNo: 1);
        await ShowsAsync(show, seatNo: 1, "HELD", available: 2);

        await Rig.Database.LetHoldPassAsync(reservationId);

        await ShowsAsync(show, seatNo: 1, "AVAILABLE", available: 3);
    }

    private Task<Reply> SeatsAsync(Show show) => Rig.A.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats");

    /// <summary>On both instances, whatever they had kept before.</summary>
    private async Task ShowsAsync(Show show, long seatNo, string status, long available) => await Task.WhenAll(
        ((Instance[])[Rig.A, Rig.B]).Select(instance => Eventually.GetAsync(
            () => instance.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats"),
            reply => Seat(reply.Expect(200), seatNo).Value("status") == status && reply.Number("availableSeats") == available,
            Promised)));

    private static JsonElement Seat(Reply reply, long seatNo) => reply.Items("seats").Single(seat => seat.Number("seatNo") == seatNo);
}
