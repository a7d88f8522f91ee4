using System.IO.Compression;
using System.Text;
using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Concerts;

public sealed class GetPlanTests : SharedRigTests
{
    private static readonly TimeSpan Promised = TimeSpan.FromSeconds(1);

    [Test]
    public async Task GetPlan_OfAHall_HasSectionsRowsLabelsAndPrices()
    {
        var show = await Rig.Catalogue.AddHallShowAsync(
            more: ""","salesOpenAt":"2031-01-01T00:00:00Z","salesCloseAt":"2031-02-01T00:00:00.5Z","maxPerUser":2""");

        var plan = (await PlanAsync(show)).Expect(200).Text;

        await Assert.That(plan).IsEqualTo($$"""
            {"scheduleId":{{show.ScheduleId}},"concertId":{{show.ConcertId}},"title":"The Quiet Hour",
            "startsAt":"2035-03-04T12:00:00Z","hall":"Small hall","grades":[{"grade":"R","price":165000},{"grade":"S","price":143000}],
            "sections":[{"section":"A","grade":"R","layout":{"x":-1.50,"y":2,"angle":12.5,"curve":0.125},
            "rows":[{"row":"1","firstSeatNo":1,"labels":["1","3","4"]},{"row":"2","firstSeatNo":4,"labels":["11","12","13"]}]},
            {"section":"B","grade":"S","layout":null,"rows":[{"row":"1","firstSeatNo":7,"labels":["1","2","3","4","5","6"]}]}],
            "salesOpenAt":"2031-01-01T00:00:00Z","salesCloseAt":"2031-02-01T00:00:00.5Z","maxPerUser":2}
            """.ReplaceLineEndings(""));
    }

    [Test]
    public async Task GetPlan_WithoutAHall_IsOneSectionAndOneRow()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 3, price: 30_000);

        var plan = (await PlanAsync(show)).Expect(200).ExpectMembers(
            "scheduleId", "concertId", "title", "startsAt", "hall", "grades", "sections", "salesOpenAt", "salesCloseAt", "maxPerUser");

        await Assert.That(plan.Value("hall")).IsEqualTo("");
        await Assert.That(plan.Json.GetProperty("grades").GetRawText()).IsEqualTo("""[{"grade":"","price":30000}]""");
        await Assert.That(plan.Json.GetProperty("sections").GetRawText()).IsEqualTo(
            """[{"section":"","grade":"","layout":null,"rows":[{"row":"","firstSeatNo":1,"labels":["1","2","3"]}]}]""");
        await Assert.That(plan.Json.IsNull("salesOpenAt") && plan.Json.IsNull("salesCloseAt")).IsTrue();
        await Assert.That(plan.Number("maxPerUser")).IsEqualTo(4);
    }

    [Test]
    public async Task GetPlan_NamesOfAnyKind_ComeBackAsTheyWere()
    {
        const string Odd = "B\"ü\\ 석 </b> 🎻";
        var name = JsonEncodedText.Encode(Odd);
        var show = await Rig.Catalogue.AddHallShowAsync(
            $$"""{"name":"{{name}}","sections":[{"section":"{{name}}","grade":"{{name}}","rows":[{"row":"석\"","seats":1}]}]}""",
            $$"""{"{{name}}":5}""");

        var plan = (await PlanAsync(show)).Expect(200);

        await Assert.That(plan.Value("hall")).IsEqualTo(Odd);
        await Assert.That(plan.Items("grades").Single().Value("grade")).IsEqualTo(Odd);
        var section = plan.Items("sections").Single();
        await Assert.That(section.Value("section")).IsEqualTo(Odd);
        await Assert.That(section.Value("grade")).IsEqualTo(Odd);
        await Assert.That(section.GetProperty("rows")[0].Value("row")).IsEqualTo("석\"");
    }

    [Test]
    [Arguments("0")]
    [Arguments("9223372036854775807")]
    public async Task GetPlan_UnknownSchedule_Returns404(string scheduleId) =>
        (await Rig.A.Api.GetAsync($"/v1/schedules/{scheduleId}/plan")).ExpectProblem(404, "schedule_not_found");

    /// <summary>The validator holds while seats sell, on every instance, and ends with each change of the schedule.</summary>
    [Test]
    [Arguments(true)]
    [Arguments(false)]
    public async Task GetPlan_ETag_ChangesWithTheScheduleAndNotWithItsSeats(bool inHall)
    {
        var show = inHall ? await Rig.Catalogue.AddHallShowAsync() : await Rig.Catalogue.AddShowAsync();
        var etag = (await PlanAsync(show)).Expect(200).Header("ETag")!;
        var visitor = await Rig.NewVisitorAsync(show, points: 1_000_000);
        (await visitor.PayAsync(await visitor.HeldAsync(show, seatNo: 2))).Expect(201);
        await visitor.EnterAsync(show.Queue);
        await visitor.HeldAsync(show, seatNo: 3);
        await Task.Delay(Promised); // what is kept of the plan is older than this by then
        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            var unchanged = (await instance.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/plan", ("If-None-Match", etag))).Expect(304);
            await Assert.That(unchanged.Header("ETag")).IsEqualTo(etag);
        }

        foreach (var change in (string[])[
            inHall ? """{"prices":{"S":1}}""" : """{"price":1}""", """{"startsAt":"2037-01-01T00:00:00Z"}""", """{"maxPerUser":1}""",
            """{"salesOpenAt":"2030-01-01T00:00:00Z"}""", """{"salesCloseAt":"2036-01-01T00:00:00Z"}"""])
        {
            (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", change)).Expect(200);
            var next = await ChangedAsync(Rig.A, show, etag);
            await Assert.That((await ChangedAsync(Rig.B, show, etag)).Header("ETag")).IsEqualTo(next.Header("ETag"));
            etag = next.Header("ETag")!;
        }

        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/concerts/{show.ConcertId}", """{"title":"Another"}""")).Expect(200);
        await Assert.That((await ChangedAsync(Rig.A, show, etag)).Value("title")).IsEqualTo("Another");
    }

    [Test]
    public async Task GetPlan_Compressed_IsTheSame()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 1000);
        var path = $"/v1/schedules/{show.ScheduleId}/plan";

        var brotli = (await Rig.A.Api.GetAsync(path, ("Accept-Encoding", "br"))).Expect(200);
        var plain = (await Rig.A.Api.GetAsync(path)).Expect(200);

        await Assert.That(brotli.Header("Content-Encoding")).IsEqualTo("br");
        await Assert.That(brotli.Header("ETag")).IsEqualTo(plain.Header("ETag"));
        await Assert.That(brotli.Body.Length).IsLessThan(plain.Body.Length);
        using var reader = new StreamReader(new BrotliStream(new MemoryStream(brotli.Body), CompressionMode.Decompress), Encoding.UTF8);
        await Assert.That(await reader.ReadToEndAsync()).IsEqualTo(plain.Text);
    }

    private Task<Reply> PlanAsync(Show show) => Rig.A.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/plan");

    private static Task<Reply> ChangedAsync(Instance instance, Show show, string etag) => Eventually.GetAsync(
        () => instance.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/plan"),
        reply => reply.Expect(200).Header("ETag") != etag, Promised);
}
