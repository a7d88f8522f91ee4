using ConcertBooking.Tests.Support;
using Microsoft.Playwright;

namespace ConcertBooking.Tests.Browser;

/// <summary>Concerts, halls, dates and events in the organiser's console.</summary>
[Category("Browser"), Explicit]
public sealed class ConsoleCatalogueTests : ConsoleTestsBase
{
    /// <summary>Not one click: a hall, a concert in a queue of its own, and a date of it in the hall.</summary>
    [Test]
    public async Task Hall_Concert_AndDate_AreAddedByKeyboard()
    {
        await using var service = await Rig.StartAloneAsync(Development());
        var guest = await OpenConsoleAsync(service);
        var keys = guest.Page.Keyboard;
        await guest.Heading("Queues").WaitForAsync();

        await guest.PressOnAsync("Halls", "Enter");
        await guest.Text("There are no halls yet.").WaitForAsync();
        await guest.PressOnAsync("Add a hall", "Enter");
        await guest.Text("Fill this in.").First.WaitForAsync();
        await guest.ExpectAccessibleAsync("console-hall-missing");
        await guest.TypeIntoAsync("Name of the hall", "Harbour Hall");
        await guest.TypeIntoAsync("Name of the section", "Floor");
        await guest.TypeIntoAsync("Grade", "R");
        await guest.TypeIntoAsync("Rows", "3");
        await guest.TypeIntoAsync("Seats a row", "8");
        await guest.PressOnAsync("Another section", "Enter");
        await keys.TypeAsync("Rear"); // where the focus went
        await guest.TypeIntoAsync("Grade", "S");
        await guest.TypeIntoAsync("Rows", "2");
        await guest.TypeIntoAsync("Seats a row", "6");
        await guest.PressOnAsync("Add a hall", "Enter");
        await guest.Text("The hall was added, with 36 seats.").WaitForAsync();
        await guest.Text("36 seats · grades R, S").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-halls");

        await guest.PressOnAsync("Concerts", "Enter");
        await guest.Text("There are no concerts yet.").WaitForAsync();
        await guest.TypeIntoAsync("Title", "Spring in the Harbour");
        await guest.TypeIntoAsync("Queue", "Not a name");
        await keys.PressAsync("Enter");
        await guest.Text("Use small letters, digits, - and _ only.").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-concerts");
        await guest.TypeIntoAsync("Queue", "spring");
        await keys.PressAsync("Enter");
        await guest.Heading("Spring in the Harbour").WaitForAsync();
        await guest.Text("No dates yet.").WaitForAsync();
        await guest.Text("Queue spring").WaitForAsync();

        await guest.TabToAsync("Begins");
        await keys.TypeAsync("12242035");
        await keys.PressAsync("ArrowRight");
        await keys.TypeAsync("0730PM");
        await guest.TabToAsync("Hall");
        await keys.TypeAsync("Harbour");
        await guest.TypeIntoAsync("Price of grade R in points", "165000");
        await guest.TypeIntoAsync("Price of grade S in points", "99000");
        await guest.PressOnAsync("Add a date", "Enter");
        await guest.Text("was added, with 36 seats.").WaitForAsync();
        await guest.Text("36 of 36 seats left").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-concert");
        await guest.PressOnAsync("Seats on Monday, December 24, 2035 at 7:30 PM", "Enter");
        await guest.Text("0% of 36 sold").WaitForAsync();

        await guest.PressOnAsync("Queues", "Enter");
        await Card(guest, "spring").WaitForAsync();
        await Assert.That(await service.Database.ScalarAsync<long>("SELECT COUNT(*) FROM concert_schedule WHERE hall_id IS NOT NULL"))
            .IsEqualTo(1);
        await Assert.That(await service.Database.ScalarAsync<DateTime>("SELECT starts_at FROM concert_schedule"))
            .IsEqualTo(new DateTime(2035, 12, 24, 10, 30, 0)).Because("the browser is in Seoul");
    }

    /// <summary>What the service refuses is said in its words, and adds nothing.</summary>
    [Test]
    public async Task Hall_FromAFile_IsAddedOrRefusedWithTheReason()
    {
        await using var service = await Rig.StartAloneAsync(Development());
        var guest = await OpenConsoleAsync(service, "halls");
        guest.Expect(400, "/v1/admin/halls");
        await guest.Text("From a file").ClickAsync();
        var file = guest.Page.GetByLabel("JSON file");
        async Task SendAsync(string text)
        {
            await file.SetInputFilesAsync(new FilePayload
            {
                Name = "hall.json",
                MimeType = "application/json",
                Buffer = System.Text.Encoding.UTF8.GetBytes(text),
            });
            await guest.Button("Add a hall").Last.ClickAsync();
        }

        await SendAsync("no json");
        await guest.Text("This file is not JSON.").WaitForAsync();
        await SendAsync("""{"name":"Empty","sections":[]}""");
        await guest.Text("A hall needs one.").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-hall-refused");
        await SendAsync(PageHalls.Small);
        await guest.Text("The hall was added, with 152 seats.").WaitForAsync();
        await guest.Text("152 seats · grades R, S").WaitForAsync();
    }

    [Test]
    public async Task Date_MapAndNumbers_FollowASale()
    {
        await using var service = await Rig.StartAloneAsync(Development());
        var show = await service.Catalogue.AddHallShowAsync(PageHalls.Small, PageHalls.SmallPrices);
        var guest = await OpenConsoleAsync(service, $"schedule/{show.ScheduleId}");
        var main = guest.Page.Locator("main");
        await Assertions.Expect(Figure(main, "Left")).ToHaveTextAsync($"{show.SeatCount}");

        var buyers = new List<(Visitor Visitor, string Booking)>();
        for (var seat = 1; seat <= 9; seat += 3)
        {
            var visitor = await Rig.NewVisitor(service).AdmittedAsync(show, points: 500_000);
            buyers.Add((visitor, await visitor.HeldTogetherAsync(show, seat, seat + 1, seat + 2)));
        }

        await Assertions.Expect(Figure(main, "Held")).ToHaveTextAsync("9");
        (await buyers[0].Visitor.PayBookingAsync(buyers[0].Booking)).Expect(201);
        (await buyers[1].Visitor.ReleaseBookingAsync(buyers[1].Booking)).Expect(204);
        await Assertions.Expect(Figure(main, "Sold")).ToHaveTextAsync("3");
        await Assertions.Expect(Figure(main, "Held")).ToHaveTextAsync("3");
        await Assertions.Expect(Figure(main, "Left")).ToHaveTextAsync($"{show.SeatCount - 6}");
        await guest.Text($"2% of {show.SeatCount} sold").WaitForAsync();
        var name = guest.Page.GetByRole(AriaRole.Rowheader, new() { Name = "R" });
        var grade = guest.Page.GetByRole(AriaRole.Row).Filter(new() { Has = name });
        await Assertions.Expect(grade.GetByRole(AriaRole.Cell)).ToHaveTextAsync(["3", "3", "90", "0"]);

        await guest.TabToAsync("Seat map");
        await guest.Page.Keyboard.PressAsync("ArrowLeft");
        await guest.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(guest.Page.Locator(".seat-facts")).ToContainTextAsync("Floor, row 1, seat");
        await guest.ExpectAccessibleAsync("console-schedule");
    }

    [Test]
    public async Task DeadLetter_IsReplayed()
    {
        await using var rig = await EventRig.StartAsync(
            Rig, changes: [.. Development().Select(static setting => (setting.Key, setting.Value))]);
        rig.Webhook.Answer = static _ => 422;
        await rig.SellAsync(await rig.Fleet.Catalogue.AddShowAsync(), seats: 1);
        var guest = await OpenConsoleAsync(rig.Fleet.Members[0].Instance, "system", new(Dark: true));
        var main = guest.Page.Locator("main");
        await Assertions.Expect(Figure(main, "Dead letters")).ToHaveTextAsync("1");
        await Assertions.Expect(guest.Page.Locator(".rows .badge.confirmed")).ToHaveTextAsync(["up", "up", "up"]);
        await guest.Text("Everything is there.").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-system-dark");

        rig.Webhook.Answer = static _ => 204;
        await guest.PressOnAsync("Replay", "Enter");
        await guest.Text("1 event was put back.").WaitForAsync();
        await Assertions.Expect(Figure(main, "Dead letters")).ToHaveTextAsync("0");
        await Eventually.TrueAsync(() => rig.Webhook.Taken.Count() == 1);
        await guest.Text("There is nothing to replay.").WaitForAsync();
        await guest.ExpectAccessibleAsync("console-replayed-dark");
    }
}
