using ConcertBooking.Tests.Support;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>The README's pictures: the demo's hall while it sells. CONTRIBUTING.md has the command that takes them over.</summary>
[Category("Browser"), Explicit]
public sealed class ReadmePictures : BrowserTests
{
    private const string Folder = "artifacts/browser/readme";

    /// <summary>Seats 10 and 11 of row 4 of the floor stay free: they are chosen here.</summary>
    private const string Sold = "CRC32(seat_no) % 10 < 3 AND seat_no NOT BETWEEN 69 AND 71";

    [Test]
    public async Task Pictures_OfTheDemo_WhileItSells()
    {
        await using var service = await Rig.StartAloneAsync(Development(("Redis__KeyPrefix", $"pictures-{Guid.NewGuid():N}:")));
        var show = await SellingAsync(service);
        var free = await service.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM seat WHERE schedule_id = @schedule AND reservation_id IS NULL", ("@schedule", show.ScheduleId));
        var guest = await OpenAsync(new(TimeZone: "Europe/London"), at: service);
        var page = guest.Page;

        await guest.GoAsync($"show/{show.ScheduleId}");
        await guest.Button("Get in line").ClickAsync();
        await page.Locator("#user-id").FillAsync("7");
        await guest.Button("Sign in").ClickAsync();
        await guest.Text($"{free} seats left").WaitForAsync();
        await page.GetByRole(AriaRole.Tab, new() { Name = "List" }).ClickAsync();
        await page.Locator("summary").Filter(new() { HasText = "VIP" }).ClickAsync();
        await page.Locator("summary").Filter(new() { HasText = "Floor" }).ClickAsync();
        await page.GetByRole(AriaRole.Gridcell, new() { Name = "10, row 4, available" }).ClickAsync();
        await page.GetByRole(AriaRole.Gridcell, new() { Name = "11, row 4, available" }).ClickAsync();
        await page.GetByRole(AriaRole.Tab, new() { Name = "Map" }).ClickAsync();
        await page.Mouse.MoveAsync(0, 0); // no words over the map
        await guest.Text("2 seats, 396,000 points").WaitForAsync();
        await TakeAsync(page, "map");

        await guest.Button("Reserve these seats").ClickAsync();
        await guest.Heading("Payment").WaitForAsync();
        await guest.Button("Add").ClickAsync();
        await guest.Button("Pay 396,000 points").WaitForAsync();
        await page.SetViewportSizeAsync(1280, 640); // little is on it
        await page.EvaluateAsync("document.activeElement.blur()"); // no ring around a button
        await page.Mouse.MoveAsync(0, 0);
        await TakeAsync(page, "payment");
    }

    /// <summary>The demo, of whose hall a third is sold and some seats are held.</summary>
    private async Task<Show> SellingAsync(LoneInstance service)
    {
        var seeded = await Rig.RunAsync(["seed"], service.Database.Settings);
        await Assert.That(seeded.ExitCode).IsEqualTo(0).Because(seeded.Error);
        var scheduleId = await service.Database.ScalarAsync<long>(
            "SELECT schedule_id FROM concert_schedule WHERE hall_id IS NOT NULL");
        var show = new Show("main", 0, scheduleId, 0, 0);
        await service.Database.SellByHandAsync(show, Sold);
        foreach (var grade in (string[])["R", "S", "S", "A", "A"])
        {
            var buyer = await Rig.NewVisitor(service).AdmittedAsync(show);
            (await buyer.HoldBestAsync(show, $$"""{"count":4,"grade":"{{grade}}","together":false}""")).Expect(201);
        }

        return show;
    }

    private static async Task TakeAsync(IPage page, string name)
    {
        Directory.CreateDirectory(Repository.PathOf(Folder));
        await page.ScreenshotAsync(new() { Path = Repository.PathOf($"{Folder}/{name}.png"), FullPage = true });
    }
}
