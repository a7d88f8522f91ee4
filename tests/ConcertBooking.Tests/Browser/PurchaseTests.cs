using ConcertBooking.Tests.Support;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>The whole way from the list of shows to a paid seat.</summary>
[Category("Browser"), Explicit]
public sealed class PurchaseTests : BrowserTests
{
    [Test]
    public async Task Purchase_ByMouse_OnTheMap()
    {
        await using var service = await Rig.StartAloneAsync(Development());
        var show = await service.Catalogue.AddHallShowAsync(PageHalls.Small, PageHalls.SmallPrices);
        var guest = await OpenAsync(at: service);
        var page = guest.Page;

        await guest.GoAsync();
        await guest.Heading("What’s on").WaitForAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Choose seats" }).WaitForAsync();
        await guest.ExpectAccessibleAsync("shows");
        await page.GetByRole(AriaRole.Link, new() { Name = "Choose seats" }).ClickAsync();
        await guest.Button("Get in line").WaitForAsync();
        await guest.ExpectAccessibleAsync("enter");
        await guest.Button("Get in line").ClickAsync();
        await guest.Heading("Sign in").WaitForAsync();
        await guest.ExpectAccessibleAsync("sign-in");
        await guest.SignInAsync();

        await guest.Heading("Choose your seats").WaitForAsync();
        var map = page.GetByRole(AriaRole.Grid, new() { Name = "Seat map" });
        await guest.Text($"{show.SeatCount} seats left").WaitForAsync();
        await ClickSeatAsync(map, 0.5f, 0.55f);
        await page.Locator(".chosen button").WaitForAsync();
        await guest.ExpectAccessibleAsync("map");
        await guest.Button("Reserve these seats").ClickAsync();

        await guest.Heading("Payment").WaitForAsync();
        await guest.ExpectAccessibleAsync("held-without-points");
        await guest.Button("Add").ClickAsync();
        var pay = page.Locator("button.primary:not([disabled])");
        await pay.WaitForAsync();
        await guest.ExpectAccessibleAsync("held-with-points");
        await pay.ClickAsync();
        await guest.Heading("It’s yours").WaitForAsync();
        await guest.ExpectAccessibleAsync("paid");

        await page.GetByRole(AriaRole.Link, new() { Name = "My bookings" }).First.ClickAsync();
        await page.GetByText("Paid", new() { Exact = true }).WaitForAsync();
        await guest.ExpectAccessibleAsync("bookings");
        await Assert.That(await service.Database.ScalarAsync<long>("SELECT COUNT(*) FROM payment")).IsEqualTo(1);
    }

    /// <summary>Not one click: Tab, arrow keys, Space and Enter, by way of the list.</summary>
    [Test]
    public async Task Purchase_ByKeyboardAlone()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 30);
        var guest = await OpenAsync();
        var keys = guest.Page.Keyboard;

        await guest.GoAsync($"show/{show.ScheduleId}");
        await guest.Button("Get in line").WaitForAsync();
        await guest.PressOnAsync("Get in line", "Enter");
        await guest.Heading("Sign in").WaitForAsync();
        await guest.TabToAsync("User number");
        await keys.PressAsync("Control+A");
        await keys.TypeAsync($"{guest.UserId}");
        await keys.PressAsync("Enter");
        await guest.Heading("Choose your seats").WaitForAsync();
        await guest.Text("30 seats left").WaitForAsync();
        await guest.TabToAsync("Map");
        await keys.PressAsync("ArrowRight");
        await guest.TabToAsync("1, available");
        await keys.PressAsync("ArrowRight");
        await keys.PressAsync(" ");
        await keys.PressAsync("ArrowRight");
        await keys.PressAsync("Enter");
        await guest.Page.Locator(".chosen button").Nth(1).WaitForAsync();
        await guest.ExpectAccessibleAsync("list");
        await guest.PressOnAsync("Reserve these seats", "Enter");
        await guest.Heading("Payment").WaitForAsync();
        await guest.PressOnAsync("Add", "Enter");
        await guest.Page.Locator("button.primary:not([disabled])").WaitForAsync();
        await guest.PressOnAsync("Pay 100,000 points", "Enter");
        await guest.Heading("It’s yours").WaitForAsync();
        await Assert.That(await guest.Page.EvaluateAsync<string>("document.activeElement.textContent")).IsEqualTo("It’s yours");
    }

    /// <summary>The map is a grid: arrow keys move a cursor, Enter chooses.</summary>
    [Test]
    public async Task Map_ByKeyboard_ChoosesTheSeatThatItNames()
    {
        var show = await Rig.Catalogue.AddHallShowAsync();
        var guest = await OpenAsync();
        await guest.EnterAsync(show);
        await guest.Text("12 seats left").WaitForAsync();
        await guest.TabToAsync("Seat map");
        var cell = guest.Page.Locator("[role=gridcell][aria-selected]");
        await Assertions.Expect(cell).ToContainTextAsync("A, row 1, seat 1 · R · 165,000 points · available");
        await guest.Page.Keyboard.PressAsync("ArrowDown");
        await Assertions.Expect(cell).ToContainTextAsync("A, row 2, seat 11");
        await guest.Page.Keyboard.PressAsync("ArrowRight");
        await guest.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(cell).ToContainTextAsync("A, row 2, seat 12 · R · 165,000 points · your choice");
        await Assertions.Expect(guest.Page.Locator(".chosen")).ToContainTextAsync("A, row 2, seat 12");
    }

    [Test]
    public async Task Purchase_InKorean_OnASmallPhone()
    {
        var show = await Rig.Catalogue.AddHallShowAsync();
        var guest = await OpenAsync(new("ko-KR", Width: 320, Height: 640));
        async Task CheckAsync(string state)
        {
            await guest.ExpectNoSidewaysScrollAsync(state);
            await guest.ExpectAccessibleAsync($"korean-{state}");
        }

        await guest.GoAsync($"show/{show.ScheduleId}");
        await guest.Button("대기열에 서기").WaitForAsync();
        await Assert.That(await guest.Page.EvaluateAsync<string>("document.documentElement.lang")).IsEqualTo("ko");
        await CheckAsync("enter");
        await guest.Button("대기열에 서기").ClickAsync();
        await guest.SignInAsync("로그인");
        await guest.Text("12석 남음").WaitForAsync();
        await CheckAsync("map");
        await guest.Page.GetByRole(AriaRole.Tab, new() { Name = "목록" }).ClickAsync();
        await guest.Page.Locator("summary").First.ClickAsync();
        await guest.Page.Locator("details details summary").First.ClickAsync();
        await guest.Page.GetByRole(AriaRole.Gridcell).First.ClickAsync();
        await CheckAsync("list");
        await guest.Button("이 좌석 맡아 두기").ClickAsync();
        await guest.Heading("결제").WaitForAsync();
        await CheckAsync("held");
        await guest.Button("충전").ClickAsync();
        await guest.Button("165,000포인트 결제하기").ClickAsync();
        await guest.Heading("예매가 완료되었습니다").WaitForAsync();
        await CheckAsync("paid");
        await guest.GoAsync("bookings");
        await guest.Text("결제 완료").WaitForAsync();
        await CheckAsync("bookings");
    }

    [Test]
    public async Task BestAvailable_HoldsSeatsSideBySide()
    {
        var show = await Rig.Catalogue.AddHallShowAsync(PageHalls.Small, PageHalls.SmallPrices);
        var guest = await OpenAsync(new(Dark: true));
        await guest.EnterAsync(show);
        await guest.Page.GetByLabel("How many").SelectOptionAsync("3");
        await guest.Page.GetByLabel("Category").SelectOptionAsync("S");
        await guest.ExpectAccessibleAsync("map-dark");
        await guest.Button("Reserve the best seats").ClickAsync();
        await guest.Heading("Payment").WaitForAsync();
        await Assert.That(await guest.Page.Locator(".seat-table li:not(.sum)").CountAsync()).IsEqualTo(3);
        await guest.ExpectAccessibleAsync("held-dark");
        await guest.Button("Give the seats back").ClickAsync();
        await guest.Text($"{show.SeatCount} seats left").WaitForAsync();
    }

    private static async Task ClickSeatAsync(ILocator map, float x, float y)
    {
        var box = await map.BoundingBoxAsync() ?? throw new InvalidOperationException("The map is not shown.");
        await map.ClickAsync(new() { Position = new() { X = box.Width * x, Y = box.Height * y } });
    }
}
