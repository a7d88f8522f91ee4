using System.Globalization;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Reservations;

/// <summary>Seats are held only while the sale is open, by the database's clock; what is held may be paid afterwards.</summary>
public sealed class SalesWindowTests : SharedRigTests
{
    [Test]
    public async Task Hold_BeforeTheSaleOpens_IsRefusedUntilThen()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        await SetAsync(show, "salesOpenAt", TimeSpan.FromHours(2));
        var early = (await visitor.HoldAsync(show)).ExpectProblem(409, "sales_not_open");
        await Assert.That(early.Header("Retry-After")).IsNull();

        await SetAsync(show, "salesOpenAt", TimeSpan.FromSeconds(60));
        var soon = (await visitor.HoldAsync(show)).ExpectProblem(409, "sales_not_open");
        await Assert.That(int.Parse(soon.Header("Retry-After")!, CultureInfo.InvariantCulture)).IsBetween(1, 60);
        (await visitor.HoldAsync(show, seatNo: show.SeatCount + 1)).ExpectProblem(404, "seat_not_found");

        await SetAsync(show, "salesOpenAt", TimeSpan.FromSeconds(1));
        await Eventually.GetAsync(() => visitor.HoldAsync(show), static reply => reply.IsWon);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Hold_AfterTheSaleClosed_IsRefusedAndWhatIsHeldCanBePaid()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var held = await visitor.HeldAsync(show, seatNo: 1);

        await SetAsync(show, "salesCloseAt", TimeSpan.FromSeconds(-1));

        (await visitor.HoldAsync(show, seatNo: 2)).ExpectProblem(409, "sales_closed");
        await Assert.That((await visitor.HoldAsync(show, seatNo: 1)).Expect(200).Value("reservationId")).IsEqualTo(held);
        (await visitor.PayAsync(held)).Expect(201);
    }

    private async Task SetAsync(Show show, string member, TimeSpan fromNow)
    {
        var time = (TimeProvider.System.GetUtcNow() + fromNow).UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", $$"""{"{{member}}":"{{time}}"}"""))
            .Expect(200);
    }
}
