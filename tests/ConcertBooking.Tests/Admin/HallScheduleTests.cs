using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Admin;

/// <summary>Schedules in a hall, with a price for each grade.</summary>
public sealed class HallScheduleTests : SharedRigTests
{
    [Test]
    public async Task CreateSchedule_InAHall_HasItsSeatsAndTheLowestPrice()
    {
        var (concertId, hallId) = (await NewConcertAsync(), await Rig.Catalogue.AddHallAsync());

        var reply = (await PostAsync(concertId, $$$"""{"startsAt":"2035-01-01T00:00:00Z","hallId":{{{hallId}}},"prices":{"R":9,"S":7}}"""))
            .Expect(201).ExpectMembers("scheduleId", "startsAt", "price", "seatCount", "availableSeats");

        await Assert.That(reply.Number("seatCount")).IsEqualTo(12);
        await Assert.That(reply.Number("availableSeats")).IsEqualTo(12);
        await Assert.That(reply.Number("price")).IsEqualTo(7);
        var listed = (await Rig.B.Api.GetAsync($"/v1/concerts/{concertId}/schedules")).Expect(200).Items().Single();
        await Assert.That(listed.GetRawText()).IsEqualTo(reply.Text);
        var seats = (await Rig.B.Api.GetAsync($"/v1/schedules/{reply.Number("scheduleId")}/seats")).Expect(200);
        await Assert.That(seats.Number("price")).IsEqualTo(7);
        await Assert.That(seats.Items("seats").Count).IsEqualTo(12);
    }

    [Test]
    [Arguments("""{"hallId":$}""", "prices")]
    [Arguments("""{"hallId":$,"prices":{}}""", "prices.R")]
    [Arguments("""{"hallId":$,"prices":{"R":1}}""", "prices.S")]
    [Arguments("""{"hallId":$,"prices":{"R":1,"S":1,"Q":1}}""", "prices.Q")]
    [Arguments("""{"hallId":$,"prices":{"R":1,"S":-1}}""", "prices.S")]
    [Arguments("""{"hallId":$,"prices":{"R":1,"S":1000000001}}""", "prices.S")]
    [Arguments("""{"hallId":$,"prices":{"R":1,"S":1.5}}""", "prices.S")]
    [Arguments("""{"hallId":$,"prices":{"R":1,"S":1},"seatCount":12}""", "seatCount")]
    [Arguments("""{"hallId":$,"prices":{"R":1,"S":1},"price":1}""", "price")]
    [Arguments("""{"seatCount":5,"price":1,"prices":{"R":1}}""", "prices")]
    [Arguments("""{"price":1}""", "seatCount")]
    [Arguments("""{"seatCount":5}""", "price")]
    [Arguments("{}", "seatCount")]
    public async Task CreateSchedule_NeitherOneNorTheOther_Returns400NamingIt(string terms, string field)
    {
        var hallId = await Rig.Catalogue.AddHallAsync();
        var body = terms.Replace("$", $"{hallId}", StringComparison.Ordinal)[1..];

        (await PostAsync(await NewConcertAsync(), $$"""{"startsAt":"2035-01-01T00:00:00Z"{{(body == "}" ? "" : ",")}}{{body}}"""))
            .ExpectInvalid(field);
    }

    [Test]
    public async Task CreateSchedule_UnknownHallOrConcert_Returns404()
    {
        var hallId = await Rig.Catalogue.AddHallAsync();

        (await PostAsync(await NewConcertAsync(), """{"startsAt":"2035-01-01T00:00:00Z","hallId":9007199254740993,"prices":{"R":1}}"""))
            .ExpectProblem(404, "hall_not_found");
        (await PostAsync(long.MaxValue, $$$"""{"startsAt":"2035-01-01T00:00:00Z","hallId":{{{hallId}}},"prices":{"R":1,"S":1}}"""))
            .ExpectProblem(404, "concert_not_found");
    }

    [Test]
    public async Task UpdateSchedule_Prices_ChangeTheNamedGradesAndTheLowestPrice()
    {
        var show = await Rig.Catalogue.AddHallShowAsync();
        var early = await (await Rig.NewVisitorAsync(show)).HoldAsync(show, seatNo: 1);

        var changed = (await PatchAsync(show, """{"prices":{"R":100000}}""")).Expect(200);

        await Assert.That(changed.Number("price")).IsEqualTo(100_000);
        var late = await (await Rig.NewVisitorAsync(show)).HoldAsync(show, seatNo: 2);
        var other = await (await Rig.NewVisitorAsync(show)).HoldAsync(show, seatNo: 7);
        await Assert.That(early.Expect(201).Number("price")).IsEqualTo(165_000);
        await Assert.That(late.Expect(201).Number("price")).IsEqualTo(100_000);
        await Assert.That(other.Expect(201).Number("price")).IsEqualTo(143_000);
        changed = (await PatchAsync(show, """{"prices":{"R":200000,"S":150000}}""")).Expect(200);
        await Assert.That(changed.Number("price")).IsEqualTo(150_000);
        await Assert.That((await PatchAsync(show, """{"prices":{}}""")).Expect(200).Number("price")).IsEqualTo(150_000);
    }

    [Test]
    public async Task UpdateSchedule_PriceOfTheOtherKind_Returns400AndChangesNothing()
    {
        var (inHall, plain) = (await Rig.Catalogue.AddHallShowAsync(), await Rig.Catalogue.AddShowAsync());

        (await PatchAsync(inHall, """{"price":1,"startsAt":"2036-01-01T00:00:00Z"}""")).ExpectInvalid("price");
        (await PatchAsync(inHall, """{"prices":{"R":1,"Q":1}}""")).ExpectInvalid("prices.Q");
        (await PatchAsync(inHall, """{"prices":{"R":-1}}""")).ExpectInvalid("prices.R");
        (await PatchAsync(plain, """{"prices":{"":1}}""")).ExpectInvalid("prices");
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{long.MaxValue}", """{"price":1}"""))
            .ExpectProblem(404, "schedule_not_found");

        var schedule = (await Rig.B.Api.GetAsync($"/v1/concerts/{inHall.ConcertId}/schedules")).Expect(200).Items().Single();
        await Assert.That(schedule.Number("price")).IsEqualTo(143_000);
        await Assert.That(schedule.Moment("startsAt").Year).IsEqualTo(2035);
    }

    private async Task<long> NewConcertAsync() => await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());

    private Task<Reply> PostAsync(long concertId, string schedule) =>
        Rig.Admin.PostAsync($"/v1/admin/concerts/{concertId}/schedules", schedule);

    private Task<Reply> PatchAsync(Show show, string changes) =>
        Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", changes);
}
