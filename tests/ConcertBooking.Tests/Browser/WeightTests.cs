using System.Text.Json;
using ConcertBooking.Tests.Support;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>What the page weighs. Times are printed, not judged: Measurements/FirstViewMeasurements.cs does that.</summary>
[Category("Browser"), Explicit]
public sealed class WeightTests : BrowserTests
{
    [Test]
    public async Task FirstView_IsUnder150KB()
    {
        await using var service = await Rig.StartAloneAsync(Development());
        await service.Catalogue.AddShowAsync();
        var guest = await OpenAsync(at: service);
        var requests = new List<IRequest>();
        guest.Page.RequestFinished += (_, request) => requests.Add(request);

        await guest.GoAsync();
        await guest.Page.GetByRole(AriaRole.Link, new() { Name = "Choose seats" }).WaitForAsync();

        var shown = await guest.Page.EvaluateAsync<double>("performance.now()");
        var sizes = await Task.WhenAll(requests.Select(static request => request.SizesAsync()));
        var bytes = sizes.Sum(static size => size.ResponseBodySize + size.ResponseHeadersSize);
        Console.WriteLine($"first view: {bytes} bytes in {requests.Count} requests, shown after {shown:0} ms");
        await Assert.That(bytes).IsBetween(5_000, 150_000);

        // Of the second view the browser has everything but the page itself.
        await guest.Page.ReloadAsync();
        await guest.Page.GetByRole(AriaRole.Link, new() { Name = "Choose seats" }).WaitForAsync();
        await Assert.That(await guest.Page.EvaluateAsync<int>("""
            performance.getEntriesByType('resource').filter(entry => entry.name.includes('/assets/'))
              .reduce((sum, entry) => sum + entry.transferSize, 0)
            """)).IsEqualTo(0);
    }

    [Test]
    public async Task Map_OfTwentyThousandSeats_IsMovedAndChosenFrom()
    {
        var sections = Enumerable.Range(0, 20).Select(static index => $$"""
            {"section":"{{101 + index}}","grade":"{{(index < 8 ? "R" : "S")}}",
             "layout":{"x":{{((index % 4) - 2) * 14}},"y":{{4 + (index / 4 * 44)}},"angle":0,"curve":0.08},
             "rows":[{{string.Join(',', Enumerable.Range(1, 40).Select(static row => $$"""{"row":"{{row}}","seats":25}"""))}}]}
            """);
        var show = await Rig.Catalogue.AddHallShowAsync($$"""{"name":"Arena","sections":[{{string.Join(',', sections)}}]}""");
        await Assert.That(show.SeatCount).IsEqualTo(20_000);
        var guest = await OpenAsync();
        await guest.EnterAsync(show);
        await guest.Text("20,000 seats left").WaitForAsync();
        await guest.ExpectAccessibleAsync("map-of-an-arena");

        var map = await guest.Page.Locator(".map-surface").BoundingBoxAsync()
            ?? throw new InvalidOperationException("The map is not shown.");
        var (x, y) = (map.X + (map.Width / 2), map.Y + (map.Height / 2));
        for (var step = 0; step < 4; step++)
        {
            await guest.Button("Zoom in").ClickAsync();
        }

        await guest.Page.EvaluateAsync("""
            window.frames_ = [];
            (function next(before) { requestAnimationFrame(now => { before && frames_.push(now - before); next(now); }); })();
            """);
        await guest.Page.Mouse.MoveAsync(x, y);
        await guest.Page.Mouse.DownAsync();
        await guest.Page.Mouse.MoveAsync(x - 200, y - 100, new() { Steps = 60 });
        await guest.Page.Mouse.UpAsync();
        var frames = (await guest.Page.EvaluateAsync<JsonElement?>("frames_"))!.Value.EnumerateArray()
            .Select(static frame => frame.GetDouble()).Order().ToList();
        Console.WriteLine($"{frames.Count} frames while moving, median {frames[frames.Count / 2]:0.0} ms, longest {frames[^1]:0.0} ms");

        await guest.Page.Locator(".map-surface").FocusAsync();
        await guest.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(guest.Page.Locator(".chosen button")).ToHaveCountAsync(1);
    }
}
