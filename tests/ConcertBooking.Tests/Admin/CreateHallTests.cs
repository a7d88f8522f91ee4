using System.Text;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Admin;

public sealed class CreateHallTests : SharedRigTests
{
    private const int MaximumSeats = 100_000;

    [Test]
    public async Task CreateHall_Valid_Returns201AndIsListedWithItsGrades()
    {
        var created = (await Rig.Admin.PostAsync("/v1/admin/halls", Catalogue.SmallHall)).Expect(201)
            .ExpectMembers("hallId", "seatCount");
        var hallId = created.Number("hallId");
        await Assert.That(created.Number("seatCount")).IsEqualTo(12);

        var cursor = "";
        for (; ; )
        {
            var page = (await Rig.Admin.GetAsync($"/v1/admin/halls?limit=100{cursor}")).Expect(200).ExpectMembers("items", "nextCursor");
            if (page.Items().Where(item => item.Number("hallId") == hallId).ToList() is [var hall])
            {
                hall.ExpectMembers("hallId", "name", "seatCount", "grades");
                await Assert.That(hall.Value("name")).IsEqualTo("Small hall");
                await Assert.That(hall.Number("seatCount")).IsEqualTo(12);
                await Assert.That(hall.GetProperty("grades").EnumerateArray().Select(static grade => grade.GetString()!).ToArray())
                    .IsEquivalentTo((string[])["R", "S"]);
                break;
            }

            cursor = $"&cursor={page.Value("nextCursor")}";
        }
    }

    [Test]
    public async Task ListHalls_PageByPage_ShowsEachOnce()
    {
        var added = new List<long>();
        for (var hall = 0; hall < 3; hall++)
        {
            added.Add(await Rig.Catalogue.AddHallAsync());
        }

        var listed = new List<long>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = (await Rig.Admin.GetAsync($"/v1/admin/halls?limit=2&cursor={cursor}")).Expect(200);
            listed.AddRange(page.Items().Select(static item => item.Number("hallId")));
            cursor = page.Json.IsNull("nextCursor") ? null : page.Value("nextCursor");
        }

        await Assert.That(listed).IsOrderedBy(static hallId => hallId).And.HasDistinctItems();
        await Assert.That(added.Except(listed)).IsEmpty();
        (await Rig.Admin.GetAsync("/v1/admin/halls?limit=0")).ExpectInvalid("limit");
        (await Rig.Admin.GetAsync("/v1/admin/halls?cursor=x")).ExpectInvalid("cursor");
    }

    private const string A = "\"section\":\"A\",\"grade\":\"R\"";
    private const string Row = "{\"row\":\"1\",\"seats\":1}";

    [Test]
    [Arguments("{}", "name")]
    [Arguments("""{"name":"h"}""", "sections")]
    [Arguments("""{"name":"","sections":[]}""", "name")]
    [Arguments("""{"name":" h","sections":[]}""", "name")]
    [Arguments("""{"name":"h","sections":[]}""", "sections")]
    [Arguments("""{"name":"h","sections":[null]}""", "sections[0]")]
    [Arguments("""{"name":"h","sections":[7]}""", "sections[0]")]
    [Arguments($$"""{"name":"h","sections":[{"grade":"R","rows":[{{Row}}]}]}""", "sections[0].section")]
    [Arguments($$"""{"name":"h","sections":[{"section":"","grade":"R","rows":[{{Row}}]}]}""", "sections[0].section")]
    [Arguments($$"""{"name":"h","sections":[{"section":"A\u0007","grade":"R","rows":[{{Row}}]}]}""", "sections[0].section")]
    [Arguments($$"""{"name":"h","sections":[{"section":"A","grade":"","rows":[{{Row}}]}]}""", "sections[0].grade")]
    [Arguments($$"""{"name":"h","sections":[{"section":"A","grade":"R ","rows":[{{Row}}]}]}""", "sections[0].grade")]
    [Arguments($$"""{"name":"h","sections":[{{{A}}}]}""", "sections[0].rows")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[]}]}""", "sections[0].rows")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[null]}]}""", "sections[0].rows[0]")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{{Row}},{"seats":1}]}]}""", "sections[0].rows[1].row")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{{Row}},{"row":"12345678901","seats":1}]}]}""", "sections[0].rows[1].row")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{{Row}},{{Row}}]}]}""", "sections[0].rows[1].row")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{"row":"1"}]}]}""", "sections[0].rows[0].seats")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{"row":"1","seats":0}]}]}""", "sections[0].rows[0].seats")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{"row":"1","seats":"5"}]}]}""", "sections[0].rows[0].seats")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{"row":"1","seats":100001}]}]}""", "sections[0].rows[0].seats")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{"row":"1","seats":2147483647}]}]}""", "sections[0].rows[0].seats")]
    [Arguments(
        $$"""{"name":"h","sections":[{{{A}},"rows":[{{Row}}]},{"section":"B","grade":"R","rows":[{{Row}},{"row":"2","seats":99999}]}]}""",
        "sections[1].rows[1].seats")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{{Row}}]},{{{A}},"rows":[{{Row}}]}]}""", "sections[1].section")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{"row":"1","seats":1,"from":-1}]}]}""", "sections[0].rows[0].from")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{"row":"1","seats":1,"from":1000000}]}]}""", "sections[0].rows[0].from")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"rows":[{"row":"1","seats":1,"skip":["x"]}]}]}""", "sections[0].rows[0].skip[0]")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"layout":{"x":"1"},"rows":[{{Row}}]}]}""", "sections[0].layout.x")]
    [Arguments($$"""{"name":"h","sections":[{{{A}},"layout":{"x":1e400},"rows":[{{Row}}]}]}""", "sections[0].layout.x")]
    public async Task CreateHall_Wrong_Returns400NamingThePlace(string hall, string place) =>
        (await Rig.Admin.PostAsync("/v1/admin/halls", hall)).ExpectInvalid(place);

    [Test]
    public async Task CreateHall_TooManyGrades_Returns400()
    {
        var sections = string.Join(',', Enumerable.Range(1, 101).Select(static section =>
            $$"""{"section":"{{section}}","grade":"G{{section}}","rows":[{"row":"1","seats":1}]}"""));

        (await Rig.Admin.PostAsync("/v1/admin/halls", $$"""{"name":"h","sections":[{{sections}}]}""")).ExpectInvalid("sections[100].grade");
    }

    /// <summary>In one long row, in many of a dozen seats, and in as many rows as a body takes.</summary>
    [Test, Category("Long"), Explicit]
    [Arguments(1, MaximumSeats)]
    [Arguments(8_333, 12)]
    [Arguments(40_000, 1)]
    public async Task CreateHall_OfTheLargestSize_IsPlannedAndSold(int rows, int seats)
    {
        var text = string.Join(',', Enumerable.Range(1, rows).Select(row => $$"""{"row":"{{row}}","seats":{{seats}}}"""));
        var hall = $$"""{"name":"Large hall","sections":[{"section":"A","grade":"R","rows":[{{text}}]}]}""";
        await Assert.That(Encoding.UTF8.GetByteCount(hall)).IsLessThan(1024 * 1024);

        var show = await Rig.Catalogue.AddHallShowAsync(hall, """{"R":1000}""");

        await Assert.That(show.SeatCount).IsEqualTo(rows * seats);
        var plan = (await Eventually.AnsweredAsync(() => Rig.B.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/plan"))).Expect(200);
        var planned = plan.Items("sections").Single().GetProperty("rows").EnumerateArray().ToList();
        await Assert.That(planned.Count).IsEqualTo(rows);
        await Assert.That(planned[^1].Number("firstSeatNo")).IsEqualTo(((rows - 1) * seats) + 1);
        await Assert.That(planned.All(row => row.GetProperty("labels").GetArrayLength() == seats)).IsTrue();
        var visitor = await Rig.NewVisitorAsync(show);
        (await Eventually.AnsweredAsync(() => visitor.HoldAsync(show, rows * seats))).Expect(201);
        (await visitor.HoldAsync(show, (rows * seats) + 1)).ExpectProblem(404, "seat_not_found");
    }

    [Test]
    public async Task CreateHall_Body_MayHave1MiBAndOthersHaveTheirLimit()
    {
        var padding = new string(' ', 1024 * 1024);
        var admin = Rig.Admin;

        (await admin.PostAsync("/v1/admin/halls", Catalogue.SmallHall + padding[Catalogue.SmallHall.Length..])).Expect(201);
        var tooLarge = await RawRequest.SendAsync(Rig.A.Api,
            $"POST /v1/admin/halls HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {admin.AccessToken}\r\n"
            + $"Content-Type: application/json\r\nContent-Length: {padding.Length + 1}\r\n\r\n");
        await Assert.That(RawRequest.Status(tooLarge)).IsEqualTo(413).Because(tooLarge);
        await Assert.That(tooLarge).Contains("body_too_large").And.Contains("1024 KiB");
        var tooLargeElsewhere = await RawRequest.SendAsync(Rig.A.Api,
            $"POST /v1/admin/concerts HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {admin.AccessToken}\r\n"
            + $"Content-Type: application/json\r\nContent-Length: {(16 * 1024) + 1}\r\n\r\n");
        await Assert.That(RawRequest.Status(tooLargeElsewhere)).IsEqualTo(413).Because(tooLargeElsewhere);
        await Assert.That(tooLargeElsewhere).Contains("body_too_large").And.Contains(" 16 KiB");
    }
}
