using System.Text.RegularExpressions;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>Tests of the organiser's console.</summary>
public abstract class ConsoleTestsBase : BrowserTests
{
    /// <summary>Somebody with the role admin, in the console.</summary>
    protected async Task<Guest> OpenConsoleAsync(Instance at, string place = "", GuestOptions? options = null, string signIn = "Sign in")
    {
        var guest = await OpenAsync(options, at);
        await guest.GoToConsoleAsync(place);
        await guest.SignInAsync(signIn);
        return guest;
    }

    /// <summary>A number of a card or a view, by the word above it.</summary>
    protected static ILocator Figure(ILocator within, string name) =>
        within.Locator(".figure").Filter(new() { Has = within.Page.GetByText(name, new() { Exact = true }) }).Locator("dd");

    protected static ILocator Card(Guest guest, string queue) => guest.Page.Locator($"[data-queue='{queue}']");
}

/// <summary>Who may use the console, its queues, and what it does while the service is away.</summary>
[Category("Browser"), Explicit]
public sealed partial class ConsoleTests : ConsoleTestsBase
{
    private const string Places = "Places to buy at the same time";

    [Test]
    public async Task Console_WithoutTheRole_SaysWhoMayUseIt()
    {
        var guest = await OpenAsync();
        guest.Expect(403, "/v1/admin/");
        await guest.GoToConsoleAsync();
        await guest.Heading("Sign in").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-sign-in");
        await guest.Page.GetByLabel("With the role admin").UncheckAsync();
        await guest.SignInAsync();
        await guest.Heading("The console is for organisers").WaitForAsync();
        foreach (var place in (string[])["", "concerts", "halls", "system", "concert/1", "schedule/1"])
        {
            await guest.GoToConsoleAsync(place);
            await guest.Page.ReloadAsync();
            await guest.Heading("The console is for organisers").WaitForAsync();
        }

        await guest.ExpectAccessibleAsync("console-refused");
        await guest.Button("Sign in with another account").ClickAsync();
        await guest.SignInAsync();
        await guest.Heading("Queues").WaitForAsync();
    }

    [Test]
    public async Task Queue_ShowsWhatHappensByItself()
    {
        await using var service = await Rig.StartAloneAsync(Development());
        var queue = await service.Catalogue.AddQueueAsync(maxActive: 2);
        var visitors = Enumerable.Range(0, 8).Select(_ => Rig.NewVisitor(service)).ToList();
        foreach (var visitor in visitors)
        {
            await visitor.EnteredAsync(queue);
        }

        var guest = await OpenConsoleAsync(service);
        var card = Card(guest, queue);
        await Assertions.Expect(Figure(card, "Waiting")).ToHaveTextAsync("6");
        await Assertions.Expect(Figure(card, "Buying")).ToHaveTextAsync("2 of 2");
        await Assertions.Expect(Figure(card, "Admitted a second")).ToHaveTextAsync("0");
        await Assertions.Expect(Figure(card, "Wait that people are told")).ToHaveTextAsync("not measured yet");

        (await visitors[0].LeaveAsync()).Expect(204);
        await Assertions.Expect(Figure(card, "Waiting")).ToHaveTextAsync("5");
        await Assertions.Expect(Figure(card, "Wait that people are told")).ToHaveTextAsync(Span());
        await Assertions.Expect(Figure(card, "Admitted a second")).ToHaveTextAsync("0");
        await guest.ExpectAccessibleAsync("console-queues");

        // What another organiser changes shows too.
        (await service.Catalogue.PutQueueAsync(queue, maxActive: 4)).Expect(200);
        await Assertions.Expect(card.GetByLabel(Places).Last).ToHaveValueAsync("4");
        await Assertions.Expect(Figure(card, "Buying")).ToHaveTextAsync("4 of 4");
        await Assertions.Expect(Figure(card, "Waiting")).ToHaveTextAsync("3");
    }

    /// <summary>Whoever reads a number while it changes under the fingers cannot set it.</summary>
    [Test]
    public async Task Setting_BeingEdited_IsLeftAloneByWhatIsRead()
    {
        await using var service = await Rig.StartAloneAsync(Development());
        var queue = await service.Catalogue.AddQueueAsync(maxActive: 10);
        var guest = await OpenConsoleAsync(service);
        var field = Card(guest, queue).Locator("input[type=number]").First;
        await Assertions.Expect(field).ToHaveValueAsync("10");

        await field.FillAsync("77");
        (await service.Catalogue.PutQueueAsync(queue, maxActive: 12)).Expect(200);
        await Assertions.Expect(Figure(Card(guest, queue), "Buying")).ToHaveTextAsync("0 of 12");
        await Assertions.Expect(field).ToHaveValueAsync("77");
        await field.PressAsync("Escape");
        await field.BlurAsync();
        await Assertions.Expect(field).ToHaveValueAsync("12");

        await field.FillAsync("0");
        await field.PressAsync("Enter");
        await guest.Text("Enter a whole number from 1 to 1,000,000.").WaitForAsync();
        await guest.Button("Undo").ClickAsync();

        // A change that is refused says so, and is not lost.
        guest.Expect(500, "/v1/admin/queues/");
        await guest.Page.RouteAsync($"**/v1/admin/queues/{queue}", static route => route.FulfillAsync(new() { Status = 500 }));
        await field.FillAsync("78");
        await field.PressAsync("Enter");
        await guest.Text("Not saved. Something went wrong on our side.").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-not-saved");
        await Assertions.Expect(field).ToHaveValueAsync("78");
        await guest.Page.UnrouteAllAsync();
        await guest.Button("Try again").ClickAsync();
        await guest.Text("Saved.").WaitForAsync();
        await Assert.That((await service.Catalogue.GetQueueAsync(queue)).Number("maxActive")).IsEqualTo(78);
    }

    /// <summary>The sliders are moved by the keyboard on one instance; the people are in line, and are let in, at the other one.</summary>
    [Test]
    public async Task Sliders_AreMeasuredInAdmissionsAtTheOtherInstance()
    {
        const int People = 60, Slow = 5;
        await using var fleet = await Fleet.StartAsync(Rig, 2, [.. Development().Select(static setting => (setting.Key, setting.Value))]);
        var queue = await fleet.Catalogue.AddQueueAsync(maxActive: 1);
        var people = Enumerable.Range(0, People).Select(_ => fleet.NewVisitor(member: 1)).ToList();
        foreach (var visitor in people)
        {
            await visitor.EnteredAsync(queue);
        }

        var guest = await OpenConsoleAsync(fleet.Members[0].Instance);
        var card = Card(guest, queue);
        var sliders = card.Locator("input[type=range]");
        await Assertions.Expect(Figure(card, "Waiting")).ToHaveTextAsync($"{People - 1}");

        await card.Locator("input[type=number]").Last.FillAsync($"{Slow}");
        await guest.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(sliders.Last).ToHaveAttributeAsync("aria-valuetext", "5 a second");
        await card.GetByText("Saved.").WaitForAsync();
        await sliders.First.FocusAsync();
        await guest.Page.Keyboard.PressAsync("ArrowRight");
        var started = TimeProvider.System.GetTimestamp();
        await ExpectAsync(people[1], started, "one place more");
        await guest.Page.Keyboard.PressAsync("End");
        started = TimeProvider.System.GetTimestamp();
        await ExpectAsync(people[2], started, "many places more");

        // At the rate, and no faster: by the queue's own clock.
        var first = await CountAsync(fleet, queue);
        var last = await Eventually.GetAsync(
            () => CountAsync(fleet, queue), count => count.Admitted >= Math.Min(People, first.Admitted + (3 * Slow)));
        var seconds = (last.At - first.At).TotalSeconds;
        Console.WriteLine($"{last.Admitted - first.Admitted} admitted in {seconds:0.00} s at {Slow} a second");
        await Assert.That(last.Admitted - first.Admitted).IsLessThanOrEqualTo((long)Math.Ceiling(Slow * seconds) + 2);
        await Assertions.Expect(Figure(card, "Admitted a second")).ToHaveTextAsync(new Regex("^[1-9]"));
        await guest.ExpectAccessibleAsync("console-admitting");

        await sliders.Last.FocusAsync();
        await guest.Page.Keyboard.PressAsync("End");
        started = TimeProvider.System.GetTimestamp();
        await ExpectAsync(people[^1], started, "no limit");
        await Assert.That((await CountAsync(fleet, queue)).Admitted).IsEqualTo(People);
        await Assertions.Expect(sliders.Last).ToHaveAttributeAsync("aria-valuetext", "no limit");
        await Assertions.Expect(card.Locator("input[type=number]").Last).ToHaveValueAsync("0");
    }

    /// <summary>Down and back: what is shown is said to be old, and goes on by itself; a change that was made meanwhile is saved.</summary>
    [Test]
    public async Task Service_DownAndBack_TheConsoleGoesOnByItself()
    {
        var settings = Development(("ASPNETCORE_URLS", $"http://127.0.0.1:{Ports.Take()}"));
        var database = await Rig.AddDatabaseAsync();
        settings[MySqlServers.Setting] = database.ConnectionString;
        var service = await Rig.StartAsync(settings);
        var queue = Catalogue.NewQueueName();
        (await new Catalogue(Rig.NewAdmin(service.Api)).PutQueueAsync(queue, maxActive: 3)).Expect(200);
        var guest = await OpenConsoleAsync(service);
        var field = Card(guest, queue).Locator("input[type=number]").First;
        await Assertions.Expect(field).ToHaveValueAsync("3");

        await service.Process.KillAsync();
        await guest.Page.Locator(".offline").WaitForAsync();
        await field.FillAsync("9");
        await field.PressAsync("Enter");
        await guest.Page.Locator(".old").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-offline");
        service = await Rig.StartAsync(settings);
        await guest.Text("Saved.").WaitForAsync();
        await Assertions.Expect(guest.Page.Locator(".offline")).ToBeHiddenAsync();
        await Assertions.Expect(guest.Page.Locator(".old")).ToBeHiddenAsync();
        await Assertions.Expect(Figure(Card(guest, queue), "Buying")).ToHaveTextAsync("0 of 9");
        await Assert.That((await new Catalogue(Rig.NewAdmin(service.Api)).GetQueueAsync(queue)).Number("maxActive")).IsEqualTo(9);
    }

    [Test]
    public async Task Console_InKorean_OnASmallPhone()
    {
        await using var service = await Rig.StartAloneAsync(Development());
        var show = await service.Catalogue.AddHallShowAsync(PageHalls.Small, PageHalls.SmallPrices);
        var guest = await OpenConsoleAsync(service, "", new("ko-KR", Width: 320, Height: 640), signIn: "로그인");
        foreach (var (place, heading) in ((string, string)[])
            [("", "대기열"), ("concerts", "공연"), ($"concert/{show.ConcertId}", "The Quiet Hour"), ("halls", "공연장"), ("system", "시스템"),
                ($"schedule/{show.ScheduleId}", "The Quiet Hour")])
        {
            await guest.GoToConsoleAsync(place);
            await guest.Page.Locator("h1").Filter(new() { HasText = heading }).WaitForAsync();
            var state = $"korean-console-{(place.Length == 0 ? "queues" : place.Split('/')[0])}";
            await guest.ExpectNoSidewaysScrollAsync(state);
            await guest.ExpectAccessibleAsync(state);
        }

        await guest.Text($"{show.SeatCount}석 중 0% 판매").WaitForAsync();
    }

    private static async Task ExpectAsync(Visitor visitor, long since, string what)
    {
        await Eventually.GetAsync(
            () => Eventually.AnsweredAsync(visitor.PlaceAsync), static place => place.Expect(200).Value("status") == "ACTIVE",
            Eventually.Promised(1), what);
        Console.WriteLine($"{what}: admitted {TimeProvider.System.GetElapsedTime(since).TotalMilliseconds:0} ms after the key");
    }

    /// <summary>Beside the browsers Redis may not answer within its quarter of a second: asked again, as any client would.</summary>
    private static async Task<(long Admitted, DateTimeOffset At)> CountAsync(Fleet fleet, string queue)
    {
        var admin = fleet.Admin;
        admin.Api = fleet[1];
        var queues = await Eventually.AnsweredAsync(() => admin.GetAsync("/v1/admin/queues"));
        var item = queues.Expect(200).Items().Single(item => item.Value("queue") == queue);
        return (item.Number("admitted"), item.Moment("countedAt"));
    }

    [GeneratedRegex(@"^[\d,]+ (second|minute)")]
    private static partial Regex Span();
}
