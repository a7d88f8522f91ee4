using ConcertBooking.Tests.Support;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>Two people and one seat.</summary>
[Category("Browser"), Explicit]
public sealed class SeatRaceTests : BrowserTests
{
    [Test]
    public async Task Race_ForOneSeat_OneGetsItAndTheOtherSeesAnError()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        Guest[] guests = [await OpenAsync(), await OpenAsync()];
        foreach (var guest in guests)
        {
            guest.Expect(409, "/v1/bookings");
            await guest.ChooseFromListAsync(show);
            await guest.Seat(5).ClickAsync();
        }

        // Not ClickAsync, which waits for the button of a guest to whom the error is already shown.
        await Task.WhenAll(guests.Select(static guest => guest.Page.EvaluateAsync("document.querySelector('.summary .primary').click()")));
        var outcomes = await Task.WhenAll(guests.Select(async guest =>
        {
            var (paying, error) = (guest.Heading("Payment"), guest.Page.Locator(".notice.error"));
            await paying.Or(error).WaitForAsync();
            return await error.CountAsync() == 0;
        }));
        await Assert.That(outcomes.Count(static won => won)).IsEqualTo(1);
        var loser = guests[Array.IndexOf(outcomes, false)];
        await Assertions.Expect(loser.Page.Locator(".notice.error")).ToContainTextAsync("Somebody was faster: seat 5 is gone");
        await Assertions.Expect(loser.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("Somebody was faster");
        await Assertions.Expect(loser.Seat(5)).ToHaveAttributeAsync("aria-disabled", "true");
        await loser.ExpectAccessibleAsync("seat-lost");

        await loser.Seat(6).ClickAsync();
        await loser.Button("Reserve these seats").ClickAsync();
        await loser.Heading("Payment").WaitForAsync();
    }

    /// <summary>A seat that somebody else takes while it is only chosen goes from the selection, and a notice is shown.</summary>
    [Test]
    public async Task Seat_TakenWhileChosen_IsShownBeforeReserving()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var guest = await OpenAsync();
        await guest.ChooseFromListAsync(show);
        await guest.Seat(2).ClickAsync();
        var other = await Rig.NewVisitorAsync(show);
        await other.HeldAsync(show, seatNo: 2);
        await Assertions.Expect(guest.Page.Locator(".notice.error")).ToContainTextAsync("seat 2 is gone");
        await Assertions.Expect(guest.Page.Locator(".chosen button")).ToHaveCountAsync(0);
    }

    [Test]
    public async Task Reload_KeepsSelectionAndHold()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var guest = await OpenAsync();
        await guest.ChooseFromListAsync(show);
        await guest.Seat(7).ClickAsync();
        await guest.Page.ReloadAsync();
        await Assertions.Expect(guest.Page.Locator(".chosen")).ToContainTextAsync("seat 7");
        await guest.Button("Reserve these seats").ClickAsync();
        await guest.Heading("Payment").WaitForAsync();
        await guest.Page.GoBackAsync();
        await guest.Text("You have reserved 1 seat").WaitForAsync();
        await guest.Page.GetByRole(AriaRole.Link, new() { Name = "Go to payment" }).ClickAsync();
        await guest.Heading("Payment").WaitForAsync();
        await guest.Page.ReloadAsync();
        await guest.Heading("Payment").WaitForAsync();
    }
}
