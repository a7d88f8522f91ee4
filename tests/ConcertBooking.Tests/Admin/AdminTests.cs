using ConcertBooking.Tests.Concerts;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Admin;

public sealed class AdminTests : SharedRigTests
{
    private static readonly TimeSpan Promised = TimeSpan.FromSeconds(1);

    [Test]
    [Arguments("POST", "/v1/admin/concerts")]
    [Arguments("PATCH", "/v1/admin/concerts/1")]
    [Arguments("POST", "/v1/admin/concerts/1/schedules")]
    [Arguments("PATCH", "/v1/admin/schedules/1")]
    [Arguments("PUT", "/v1/admin/queues/main")]
    [Arguments("GET", "/v1/admin/queues/main")]
    [Arguments("GET", "/v1/admin/queues")]
    [Arguments("POST", "/v1/admin/halls")]
    [Arguments("GET", "/v1/admin/halls")]
    public async Task Admin_WithoutTheRole_IsRefused(string method, string path)
    {
        var verb = new HttpMethod(method);
        var body = method == "GET" ? null : """{"title":"t","queue":"main","maxActive":1,"activeSeconds":1,"price":1}""";
        var userId = UserIds.Next();
        var notQuite = AccessTokens.Sign(
            Rig.SigningKey, AccessTokens.Hs256, $$"""{"sub":"{{userId}}","role":"administrator","exp":{{AccessTokens.InSeconds(60)}}}""");

        (await Rig.A.Api.SendAsync(verb, path, body)).ExpectProblem(401, "unauthorized");
        (await Rig.NewVisitor().SendAsync(verb, path, body)).ExpectProblem(403, "forbidden");
        (await new Visitor(Rig.A.Api, userId, notQuite).SendAsync(verb, path, body)).ExpectProblem(403, "forbidden");
    }

    [Test]
    public async Task CreateConcert_WithQueue_Returns201AndShowsWithin1SOnBothInstances()
    {
        var queue = Catalogue.NewQueueName();

        var reply = (await Rig.Admin.PostAsync("/v1/admin/concerts", $$"""{"title":"Déjà vu 🎻","queue":"{{queue}}"}""")).Expect(201);

        var concertId = reply.Number("concertId");
        await Assert.That(reply.Value("title")).IsEqualTo("Déjà vu 🎻");
        await Assert.That(reply.Value("queue")).IsEqualTo(queue);
        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            await Eventually.GetAsync(
                () => instance.Api.GetAsync($"/v1/concerts/{concertId}/schedules"), schedules => schedules.Status == 200, Promised);
        }
        var entered = await Rig.NewVisitor(Rig.B).EnteredAsync(queue);
        await Assert.That(entered.Value("status")).IsEqualTo("ACTIVE").Because("a new queue has the default settings");
    }

    [Test]
    public async Task CreateConcert_WithoutQueue_IsInMain()
    {
        var reply = (await Rig.Admin.PostAsync("/v1/admin/concerts", """{"title":"In main"}""")).Expect(201);

        await Assert.That(reply.Value("queue")).IsEqualTo("main");
    }

    [Test]
    [Arguments("{}")]
    [Arguments("""{"title":null}""")]
    [Arguments("""{"title":""}""")]
    [Arguments("""{"title":7}""")]
    [Arguments("""{"title":"t","queue":""}""")]
    [Arguments("""{"title":"t","queue":"not a name"}""")]
    [Arguments("""{"title":"t","queue":"a}{b"}""")]
    [Arguments("""{"title":"t","queue":7}""")]
    public async Task CreateConcert_MalformedBody_Returns400(string body) =>
        (await Rig.Admin.PostAsync("/v1/admin/concerts", body)).ExpectInvalid();

    [Test]
    public async Task CreateConcert_EndlessTitle_Returns400() =>
        (await Rig.Admin.PostAsync("/v1/admin/concerts", $$"""{"title":"{{new string('x', 5_000)}}"}""")).ExpectInvalid("title");

    [Test]
    public async Task UpdateConcert_Title_ShowsWithin1SOnBothInstances()
    {
        var queue = await Rig.Catalogue.AddQueueAsync();
        var concertId = await Rig.Catalogue.AddConcertAsync(queue);

        var reply = (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/concerts/{concertId}", """{"title":"New title"}"""))
            .Expect(200);

        await Assert.That(reply.Number("concertId")).IsEqualTo(concertId);
        await Assert.That(reply.Value("title")).IsEqualTo("New title");
        await Assert.That(reply.Value("queue")).IsEqualTo(queue);
        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            await ListConcertsTests.AllAsync(instance.Api, until: items => items.Any(item =>
                item.Number("concertId") == concertId && item.Value("title") == "New title"));
        }
    }

    [Test]
    public async Task UpdateConcert_Queue_HoldsNeedTheNewOne()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var queue = await Rig.Catalogue.AddQueueAsync();

        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/concerts/{show.ConcertId}", $$"""{"queue":"{{queue}}"}""")).Expect(200);

        (await visitor.HoldAsync(show)).ExpectProblem(403, "queue_token_not_active");
        await visitor.EnteredAsync(queue);
        (await visitor.HoldAsync(show)).Expect(201);
    }

    [Test]
    public async Task UpdateConcert_Unknown_Returns404() =>
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/concerts/{long.MaxValue}", """{"title":"t"}"""))
            .ExpectProblem(404, "concert_not_found");

    [Test]
    [Arguments("""{"title":""}""")]
    [Arguments("""{"title":7}""")]
    [Arguments("""{"queue":"Not A Name"}""")]
    public async Task UpdateConcert_MalformedBody_Returns400(string body)
    {
        var concertId = await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());

        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/concerts/{concertId}", body)).ExpectInvalid();
    }

    [Test]
    public async Task CreateSchedule_Valid_Returns201()
    {
        var concertId = await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());

        var reply = (await Rig.Admin.PostAsync(
            $"/v1/admin/concerts/{concertId}/schedules",
            """{"startsAt":"2031-03-04T21:00:00+09:00","seatCount":50,"price":50000}""")).Expect(201);

        await Assert.That(reply.Json.Moment("startsAt")).IsEqualTo(new DateTimeOffset(2031, 3, 4, 12, 0, 0, TimeSpan.Zero));
        await Assert.That(reply.Number("seatCount")).IsEqualTo(50);
        await Assert.That(reply.Number("price")).IsEqualTo(50_000);
        var scheduleId = reply.Number("scheduleId");
        await Assert.That((await Rig.B.Api.GetAsync($"/v1/schedules/{scheduleId}/seats")).Expect(200).Items("seats")).Count().IsEqualTo(50);
        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM seat WHERE schedule_id = @schedule", ("@schedule", scheduleId))).IsEqualTo(50);
    }

    /// <summary>The machine's time zone moves no sale.</summary>
    [Test]
    public async Task CreateAndUpdateSchedule_TimeWithoutAZone_IsUtc()
    {
        await using var seoul = await Rig.StartAsync(new Dictionary<string, string?> { ["TZ"] = "Asia/Seoul" });
        var admin = Rig.NewAdmin(seoul.Api);
        var concertId = await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());

        var made = (await admin.PostAsync(
            $"/v1/admin/concerts/{concertId}/schedules", """{"startsAt":"2031-03-04T21:00:00","seatCount":1,"price":1}""")).Expect(201);
        var path = $"/v1/admin/schedules/{made.Number("scheduleId")}";
        var moved = (await admin.SendAsync(HttpMethod.Patch, path, """{"startsAt":"2031-03-05T21:00:00.5"}""")).Expect(200);
        var zoned = (await admin.SendAsync(HttpMethod.Patch, path, """{"startsAt":"2031-03-05T21:00:00+05:30"}""")).Expect(200);

        await Assert.That(made.Value("startsAt")).IsEqualTo("2031-03-04T21:00:00Z");
        await Assert.That(moved.Value("startsAt")).IsEqualTo("2031-03-05T21:00:00.5Z");
        await Assert.That(zoned.Value("startsAt")).IsEqualTo("2031-03-05T15:30:00Z");
    }

    [Test]
    public async Task CreateAndUpdateSchedule_SaleThatClosesBeforeItOpens_Returns400()
    {
        var concertId = await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());
        const string Terms = "\"startsAt\":\"2031-03-04T12:00:00Z\",\"seatCount\":1,\"price\":1,\"salesOpenAt\":\"2031-01-01T00:00:00Z\"";
        var path = $"/v1/admin/concerts/{concertId}/schedules";

        (await Rig.Admin.PostAsync(path, $$"""{{{Terms}},"salesCloseAt":"2031-01-01T00:00:00Z"}""")).ExpectInvalid("salesCloseAt");
        (await Rig.Admin.PostAsync(path, $$"""{{{Terms}},"salesCloseAt":"1999-01-01T00:00:00Z"}""")).ExpectInvalid("salesCloseAt");
        var made = (await Rig.Admin.PostAsync(path, $$"""{{{Terms}},"salesCloseAt":"2031-02-01T00:00:00Z"}""")).Expect(201);

        var change = new Func<string, Task<Reply>>(body => Rig.Admin.SendAsync(
            HttpMethod.Patch, $"/v1/admin/schedules/{made.Number("scheduleId")}", body));
        (await change("""{"salesCloseAt":"2030-12-31T00:00:00Z"}""")).ExpectInvalid("salesCloseAt");
        (await change("""{"salesOpenAt":"2031-02-02T00:00:00Z"}""")).ExpectInvalid("salesCloseAt");
        (await change("""{"salesOpenAt":"2031-02-02T00:00:00Z","salesCloseAt":"2031-02-03T00:00:00Z"}""")).Expect(200);
    }

    [Test]
    public async Task CreateSchedule_LargestHall_Returns201()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 100_000);
        var visitor = await Rig.NewVisitorAsync(show);

        (await visitor.HoldAsync(show, seatNo: 100_000)).Expect(201);

        var seats = (await Rig.A.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats")).Expect(200);
        await Assert.That(seats.Number("availableSeats")).IsEqualTo(99_999);
    }

    [Test]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","seatCount":0,"price":1}""", "seatCount")]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","seatCount":100001,"price":1}""", "seatCount")]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","seatCount":"5","price":1}""", "seatCount")]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","seatCount":5,"price":-1}""", "price")]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","seatCount":5,"price":1.5}""", "price")]
    [Arguments("""{"startsAt":"soon","seatCount":5,"price":1}""", "startsAt")]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","seatCount":5,"price":1,"salesOpenAt":"soon"}""", "salesOpenAt")]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","seatCount":5,"price":1,"maxPerUser":-1}""", "maxPerUser")]
    [Arguments("""{"startsAt":7,"seatCount":5,"price":1}""", "startsAt")]
    [Arguments("""{"seatCount":5,"price":1}""", null)]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","price":1}""", null)]
    [Arguments("""{"startsAt":"2031-03-04T12:00:00Z","seatCount":5}""", null)]
    public async Task CreateSchedule_MalformedBody_Returns400(string body, string? field)
    {
        var concertId = await Rig.Catalogue.AddConcertAsync(await Rig.Catalogue.AddQueueAsync());

        (await Rig.Admin.PostAsync($"/v1/admin/concerts/{concertId}/schedules", body)).ExpectInvalid(field);
    }

    [Test]
    public async Task CreateSchedule_UnknownConcert_Returns404() => (await Rig.Admin.PostAsync(
        $"/v1/admin/concerts/{long.MaxValue}/schedules", """{"startsAt":"2031-03-04T12:00:00Z","seatCount":5,"price":1}"""))
        .ExpectProblem(404, "concert_not_found");

    [Test]
    public async Task UpdateSchedule_StartAndPrice_ShowWithin1SOnBothInstances()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        Task<Reply> Seats(Instance instance) => instance.Api.GetAsync($"/v1/schedules/{show.ScheduleId}/seats");
        await Task.WhenAll(Seats(Rig.A), Seats(Rig.B));

        var reply = (await Rig.Admin.SendAsync(
            HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"startsAt":"2032-01-01T00:00:00Z","price":77}""")).Expect(200);

        await Assert.That(reply.Json.Moment("startsAt")).IsEqualTo(new DateTimeOffset(2032, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await Assert.That(reply.Number("price")).IsEqualTo(77);
        await Task.WhenAll(((Instance[])[Rig.A, Rig.B]).Select(instance =>
            Eventually.GetAsync(() => Seats(instance), seats => seats.Expect(200).Number("price") == 77, Promised)));
    }

    [Test]
    public async Task UpdateSchedule_IntoThePast_ClosesIt()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"startsAt":"2024-01-01T00:00:00Z"}"""))
            .Expect(200);

        (await visitor.HoldAsync(show)).ExpectProblem(409, "schedule_closed");
    }

    [Test]
    public async Task UpdateSchedule_Unknown_Returns404() =>
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{long.MaxValue}", """{"price":1}"""))
            .ExpectProblem(404, "schedule_not_found");

    [Test]
    [Arguments("""{"price":-1}""")]
    [Arguments("""{"price":"1"}""")]
    [Arguments("""{"startsAt":"soon"}""")]
    public async Task UpdateSchedule_MalformedBody_Returns400(string body)
    {
        var show = await Rig.Catalogue.AddShowAsync();

        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", body)).ExpectInvalid();
    }

    [Test]
    public async Task PutQueue_New_Returns200AndCounts()
    {
        var queue = Catalogue.NewQueueName();

        var reply = (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 2, activeSeconds: 300)).Expect(200);

        await Assert.That(reply.Value("queue")).IsEqualTo(queue);
        await Assert.That(reply.Number("maxActive")).IsEqualTo(2);
        await Assert.That(reply.Number("activeSeconds")).IsEqualTo(300);
        for (var index = 0; index < 3; index++)
        {
            await Rig.NewVisitor().EnteredAsync(queue);
        }

        var admin = Rig.Admin;
        admin.Api = Rig.B.Api;
        var counts = (await admin.GetAsync($"/v1/admin/queues/{queue}")).Expect(200)
            .ExpectMembers("queue", "waiting", "active", "maxActive", "activeSeconds");
        await Assert.That(counts.Number("waiting")).IsEqualTo(1);
        await Assert.That(counts.Number("active")).IsEqualTo(2);
        await Assert.That(counts.Number("maxActive")).IsEqualTo(2);
        await Assert.That(counts.Number("activeSeconds")).IsEqualTo(300);
    }

    [Test]
    public async Task PutQueue_Raised_AdmitsTheNextInLineAtOnceOnBothInstances()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 1);
        Visitor[] visitors = [Rig.NewVisitor(), Rig.NewVisitor(), Rig.NewVisitor(Rig.B), Rig.NewVisitor(Rig.B)];
        foreach (var visitor in visitors)
        {
            await visitor.EnteredAsync(queue);
        }

        (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 3)).Expect(200);

        var statuses = new List<string>();
        foreach (var visitor in visitors)
        {
            statuses.Add((await visitor.PlaceAsync()).Expect(200).Value("status"));
        }

        await Assert.That(statuses.SequenceEqual(["ACTIVE", "ACTIVE", "ACTIVE", "WAITING"])).IsTrue();
    }

    [Test]
    public async Task PutQueue_Lowered_AdmitsNoneUntilBelow()
    {
        var queue = await Rig.Catalogue.AddQueueAsync(maxActive: 2);
        Visitor[] visitors = [Rig.NewVisitor(), Rig.NewVisitor(), Rig.NewVisitor()];
        foreach (var visitor in visitors)
        {
            await visitor.EnteredAsync(queue);
        }

        (await Rig.Catalogue.PutQueueAsync(queue, maxActive: 1)).Expect(200);
        (await visitors[0].LeaveAsync()).Expect(204);

        await Assert.That((await visitors[1].PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
        await Assert.That((await visitors[2].PlaceAsync()).Expect(200).Value("status")).IsEqualTo("WAITING");
        (await visitors[1].LeaveAsync()).Expect(204);
        await Assert.That((await visitors[2].PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
    }

    [Test]
    [Arguments("""{"maxActive":0,"activeSeconds":600}""")]
    [Arguments("""{"maxActive":-1,"activeSeconds":600}""")]
    [Arguments("""{"maxActive":"5","activeSeconds":600}""")]
    [Arguments("""{"maxActive":5,"activeSeconds":0}""")]
    [Arguments("""{"maxActive":5,"activeSeconds":1.5}""")]
    [Arguments("""{"maxActive":5,"activeSeconds":99999999999}""")]
    [Arguments("{}")]
    public async Task PutQueue_MalformedBody_Returns400(string body) =>
        (await Rig.Admin.SendAsync(HttpMethod.Put, $"/v1/admin/queues/{Catalogue.NewQueueName()}", body)).ExpectInvalid();

    [Test]
    [Arguments("Upper")]
    [Arguments("a%20b")]
    [Arguments("a%7Db")]
    public async Task PutQueue_MalformedName_Returns400(string name) =>
        (await Rig.Admin.SendAsync(HttpMethod.Put, $"/v1/admin/queues/{name}", """{"maxActive":5,"activeSeconds":60}""")).ExpectInvalid();

    [Test]
    public async Task GetQueue_Unknown_Returns404() =>
        (await Rig.Admin.GetAsync($"/v1/admin/queues/{Catalogue.NewQueueName()}")).ExpectProblem(404, "queue_not_found");
}
