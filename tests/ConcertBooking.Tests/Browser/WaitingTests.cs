using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>The line, the countdown to the sale, time that runs out, and a service that goes away and comes back.</summary>
[Category("Browser"), Explicit]
public sealed class WaitingTests : BrowserTests
{
    [Test]
    public async Task InLine_WhenThePlaceIsFree_IsAdmittedByItself()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        var first = await Rig.NewVisitorAsync(show);
        var guest = await OpenAsync();
        await guest.EnterAsync(show);
        await guest.Text("No. 1").WaitForAsync();
        await guest.ExpectAccessibleAsync("waiting");

        await guest.Page.ReloadAsync(); // the same place
        await guest.Text("No. 1").WaitForAsync();
        (await first.LeaveAsync()).Expect(204);
        await guest.Heading("Choose your seats").WaitForAsync();
        await Assertions.Expect(guest.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("It is your turn");
    }

    [Test]
    public async Task InLine_TwoTabs_AreOnePlace()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        await Rig.NewVisitorAsync(show);
        var guest = await OpenAsync();
        await guest.EnterAsync(show);
        await guest.Text("No. 1").WaitForAsync();
        var tab = await guest.Context.NewPageAsync();
        await tab.GotoAsync(guest.Page.Url);
        await tab.GetByRole(AriaRole.Button, new() { Name = "Get in line" }).ClickAsync();
        await tab.Locator("main").GetByText("No. 1").WaitForAsync();
        await Assert.That((await Rig.Catalogue.GetQueueAsync(show.Queue)).Number("waiting")).IsEqualTo(1);
    }

    [Test]
    public async Task Line_ThatAsksForProofOfWork_IsEnteredWithIt()
    {
        await using var service = await Rig.StartAloneAsync(Development(("Queue__ProofOfWorkBits", "10")));
        var show = await service.Catalogue.AddShowAsync();
        var guest = await OpenAsync(at: service);
        guest.Expect(403, "/v1/queue/tokens");
        await guest.EnterAsync(show);
        await guest.Heading("Choose your seats").WaitForAsync();
    }

    [Test]
    public async Task Sale_NotOpenYet_IsCountedDownAndOpensByItself()
    {
        var opens = TimeProvider.System.GetUtcNow().AddSeconds(20).UtcDateTime;
        var show = await Rig.Catalogue.AddHallShowAsync(more: $",\"salesOpenAt\":\"{opens:O}\"");
        var guest = await OpenAsync();
        await guest.GoAsync($"show/{show.ScheduleId}");
        await guest.Heading("The sale opens in").WaitForAsync();
        await guest.ExpectAccessibleAsync("countdown");
        await guest.Button("Get in line").WaitForAsync();
        await Assert.That(TimeProvider.System.GetUtcNow().UtcDateTime).IsGreaterThanOrEqualTo(opens.AddSeconds(-2));
    }

    [Test]
    public async Task Hold_ThatRunsOutWhileOneLooks_IsSaid()
    {
        await using var service = await Rig.StartAloneAsync(Development(("Holds__Seconds", "25"), ("Holds__MaxExtensions", "0")));
        var show = await service.Catalogue.AddShowAsync();
        var guest = await OpenAsync(at: service);
        await guest.HoldAsync(show);
        await Assertions.Expect(guest.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("10 seconds left");
        await guest.ExpectAccessibleAsync("hold-ending");
        await guest.Heading("The time to pay is over").WaitForAsync();
        await guest.ExpectAccessibleAsync("expired");
        await guest.Page.GetByRole(AriaRole.Link, new() { Name = "Choose again" }).ClickAsync();
        await guest.Text("10 seats left").WaitForAsync();
    }

    [Test]
    public async Task Hold_Extended_BeginsAnewAndOffersNoMore()
    {
        await using var service = await Rig.StartAloneAsync(Development(("Holds__Seconds", "40")));
        var show = await service.Catalogue.AddShowAsync();
        var guest = await OpenAsync(at: service);
        await guest.HoldAsync(show);
        var clock = guest.Page.GetByRole(AriaRole.Timer);
        await Assertions.Expect(clock).ToHaveTextAsync(new System.Text.RegularExpressions.Regex("^0:([0-2]|3[0-5])"));
        await guest.Button("I need more time").ClickAsync();
        await Assertions.Expect(guest.Button("I need more time")).ToHaveCountAsync(0);
        await Assert.That(await service.Database.ScalarAsync<long>("SELECT extensions FROM booking")).IsEqualTo(1);
        await guest.Page.ReloadAsync();
        await guest.Heading("Payment").WaitForAsync();
    }

    [Test]
    public async Task Service_DownAndBack_ThePageGoesOnByItself()
    {
        var port = Ports.Take();
        var settings = Development(("ASPNETCORE_URLS", $"http://127.0.0.1:{port}"));
        var service = await Rig.StartAsync(settings);
        var show = await Rig.Catalogue.AddShowAsync();
        var guest = await OpenAsync(at: service);
        await guest.HoldAsync(show, seat: 3);
        await guest.Button("Add").ClickAsync();
        var pay = guest.Page.Locator("button.primary:not([disabled])");
        await pay.WaitForAsync();

        await service.Process.KillAsync();
        await pay.ClickAsync();
        var notice = guest.Page.Locator(".offline");
        await notice.WaitForAsync();
        await guest.ExpectAccessibleAsync("offline");
        await Rig.StartAsync(settings);
        await guest.Heading("It’s yours").WaitForAsync();
        await Assertions.Expect(notice).ToBeHiddenAsync();
        await ExpectOnePaymentAsync(guest);
    }

    /// <summary>The payment is made and its answer lost: the page repeats it with the same key, and there is one payment.</summary>
    [Test]
    public async Task Payment_WhoseAnswerIsLost_IsMadeOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var guest = await OpenAsync();
        await guest.HoldAsync(show);
        await guest.Button("Add").ClickAsync();
        var pay = guest.Page.Locator("button.primary:not([disabled])");
        await pay.WaitForAsync();
        var lost = 0;
        await guest.Page.RouteAsync("**/v1/payments", async route =>
        {
            if (Interlocked.Increment(ref lost) > 1)
            {
                await route.ContinueAsync();
                return;
            }

            await route.FetchAsync(); // it arrives and is answered, but not here
            await route.AbortAsync();
        });
        await pay.ClickAsync();
        await guest.Heading("It’s yours").WaitForAsync();
        await Assert.That(lost).IsEqualTo(2);
        await ExpectOnePaymentAsync(guest);
    }

    private async Task ExpectOnePaymentAsync(Guest guest) => await Assert.That(await Rig.Database.ScalarAsync<long>(
        "SELECT COUNT(*) FROM payment WHERE user_id = @user", ("@user", guest.UserId))).IsEqualTo(1);
}
