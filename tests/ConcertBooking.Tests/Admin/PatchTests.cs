using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Admin;

/// <summary>A change is made as it was asked for, answered as it is stored, or refused; nothing of it is passed over.</summary>
public sealed class PatchTests : SharedRigTests
{
    /// <summary>Every PATCH of the document, so that one that is added later is held to it as well.</summary>
    [Test]
    public async Task Patch_UnknownMembers_Returns400NamingThem()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var document = (await Rig.A.Api.GetAsync("/openapi/v1.json")).Expect(200).Json;
        var paths = document.GetProperty("paths").EnumerateObject()
            .Where(static path => path.Value.TryGetProperty("patch", out _)).ToList();
        await Assert.That(paths.Count).IsGreaterThanOrEqualTo(2);

        foreach (var path in paths)
        {
            var address = path.Name.Replace("{concertId}", $"{show.ConcertId}", StringComparison.Ordinal)
                .Replace("{scheduleId}", $"{show.ScheduleId}", StringComparison.Ordinal);
            var reply = (await Rig.Admin.SendAsync(
                HttpMethod.Patch, address, """{"titel":"t","seatCount":5,"a.b":{"c":[1]},"":null}""")).ExpectInvalid("titel");
            var named = reply.Json.GetProperty("errors").EnumerateObject().Select(static error => error.Name).ToList();
            foreach (var unknown in (string[])["titel", "seatCount", "a.b", ""])
            {
                await Assert.That(named).Contains(unknown).Because(path.Name);
            }

            await Assert.That(named.Count).IsEqualTo(4).Because(reply.Text);
        }
        // What it does know is not changed either.
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"price":5,"pirce":5}"""))
            .ExpectInvalid("pirce");
        var schedule = (await Rig.B.Api.GetAsync($"/v1/concerts/{show.ConcertId}/schedules")).Expect(200).Items()[0];
        await Assert.That(schedule.Number("price")).IsEqualTo(show.Price);
    }

    [Test]
    public async Task Schedule_NullOfASalesWindowOrLimit_RemovesThatAlone()
    {
        const string Open = "2031-01-01T00:00:00Z";
        const string Close = "2031-02-01T00:00:00Z";
        var show = await Rig.Catalogue.AddShowAsync();
        Task<Reply> ChangeAsync(string body) => Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", body);
        async Task ExpectAsync(string? open, string? close, int limit) => await Eventually.GetAsync(
            () => Rig.B.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/plan"),
            plan => plan.Expect(200).Json is var json && TextOf(json, "salesOpenAt") == open && TextOf(json, "salesCloseAt") == close
                && json.Number("maxPerUser") == limit,
            what: $"{open} to {close}, {limit} each");

        (await ChangeAsync($$"""{"salesOpenAt":"{{Open}}","salesCloseAt":"{{Close}}","maxPerUser":1}""")).Expect(200);
        await ExpectAsync(Open, Close, 1);
        (await ChangeAsync("""{"price":7,"startsAt":null}""")).Expect(200);
        await ExpectAsync(Open, Close, 1);
        (await (await Rig.NewVisitorAsync(show)).HoldAsync(show)).ExpectProblem(409, "sales_not_open");
        (await ChangeAsync("""{"salesOpenAt":null}""")).Expect(200);
        await ExpectAsync(null, Close, 1);
        (await (await Rig.NewVisitorAsync(show)).HoldAsync(show)).Expect(201);
        (await ChangeAsync("""{"salesCloseAt":null,"maxPerUser":null}""")).Expect(200);
        await ExpectAsync(null, null, 4);
    }

    private static string? TextOf(JsonElement json, string name) => json.IsNull(name) ? null : json.Value(name);

    [Test]
    public async Task Patch_Body_IsClosedInTheDocument()
    {
        var schemas = (await Rig.A.Api.GetAsync("/openapi/v1.json")).Expect(200).Json.GetProperty("components").GetProperty("schemas");

        foreach (var (name, closed, members) in ((string, bool, int)[])[("UpdateConcertRequest", true, 2),
            ("UpdateScheduleRequest", true, 6), ("CreateConcertRequest", false, 2)])
        {
            var schema = schemas.GetProperty(name);
            await Assert.That(
                schema.TryGetProperty("additionalProperties", out var more)
                    && more.ValueKind == JsonValueKind.False).IsEqualTo(closed);
            await Assert.That(schema.GetProperty("properties").EnumerateObject().Count()).IsEqualTo(members).Because(schema.GetRawText());
        }
    }

    /// <summary>Only a PATCH refuses them.</summary>
    [Test]
    public async Task Post_UnknownMembers_AreIgnored() =>
        (await Rig.Admin.PostAsync("/v1/admin/concerts", """{"title":"t","titel":"x","more":{"a":1}}""")).Expect(201);

    [Test]
    [Arguments("9999-12-31T23:59:59.9999Z")]
    [Arguments("9999-12-31T23:59:59.9995Z")]
    [Arguments("9999-12-31T23:59:59.9999999Z")]
    [Arguments("9999-12-31T23:59:59-00:01")]
    [Arguments("9999-12-31T23:00:00-14:00")]
    [Arguments("1999-12-31T23:59:59.999Z")]
    [Arguments("0001-01-01T00:00:00Z")]
    [Arguments("0001-01-01T00:00:00+14:00")]
    [Arguments("10000-01-01T00:00:00Z")]
    [Arguments("2031-02-29T00:00:00Z")]
    public async Task StartsAt_OutOfRange_Returns400(string startsAt)
    {
        var show = await Rig.Catalogue.AddShowAsync();

        (await Rig.Admin.PostAsync(
            $"/v1/admin/concerts/{show.ConcertId}/schedules",
            $$"""{"startsAt":"{{startsAt}}","seatCount":1,"price":1}""")).ExpectInvalid("startsAt");
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", $$"""{"startsAt":"{{startsAt}}"}"""))
            .ExpectInvalid("startsAt");
    }

    [Test]
    [Arguments("2031-03-04T12:00:00.1234Z", "2031-03-04T12:00:00.123Z")]
    [Arguments("2031-03-04T12:00:00.1235Z", "2031-03-04T12:00:00.124Z")]
    [Arguments("2031-12-31T23:59:59.9999999Z", "2032-01-01T00:00:00Z")]
    [Arguments("1999-12-31T23:59:59.9999Z", "2000-01-01T00:00:00Z")]
    [Arguments("9999-12-31T23:59:59.9994Z", "9999-12-31T23:59:59.999Z")]
    [Arguments("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z")]
    public async Task StartsAt_FinerThanStored_IsAnsweredAsStored(string startsAt, string stored)
    {
        var concertId = await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());

        var made = (await Rig.Admin.PostAsync(
            $"/v1/admin/concerts/{concertId}/schedules", $$"""{"startsAt":"{{startsAt}}","seatCount":1,"price":1}""")).Expect(201);
        var listed = (await Rig.A.Api.GetAsync($"/v1/concerts/{concertId}/schedules")).Expect(200).Items().Single();
        var changed = (await Rig.Admin.SendAsync(
            HttpMethod.Patch, $"/v1/admin/schedules/{made.Number("scheduleId")}", $$"""{"startsAt":"{{startsAt}}"}""")).Expect(200);

        await Assert.That(made.Value("startsAt")).IsEqualTo(stored);
        await Assert.That(listed.Value("startsAt")).IsEqualTo(stored);
        await Assert.That(changed.Value("startsAt")).IsEqualTo(stored);
    }
}
