using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>A MySQL that keeps a connection waiting: locked tables, a stopped server, a network that swallows what is sent.</summary>
public sealed class MySqlSilence : FaultTests
{
    private static readonly TimeSpan Promise = Eventually.Promised(seconds: 2);

    private static readonly TimeSpan ComeBack = Eventually.Promised(seconds: 10);

    [Test]
    public async Task TablesLocked_EveryCallGets503InTime_AndRecoversWithTheTables()
    {
        await using var kafka = await KafkaServers.StartAsync(new ServerOptions { AllowNamed = false });
        await using var fleet = await Fleet.StartAsync(
            Rig, 1, ("Database__MaxPoolSize", "60"), (KafkaServers.Setting, kafka.ConnectionString));
        var show = await fleet.Catalogue.AddShowAsync();
        var user = await fleet.NewVisitorAsync(show, points: 2 * show.Price);
        var (paid, held) = (await user.HeldAsync(show, 1), await user.HeldAsync(show, 2));
        var payment = (await user.PayAsync(paid)).Expect(201).Value("paymentId");
        await using (var connection = await fleet.Database.OpenAsync())
        {
            // All but the one that the health check reads.
            var tables = await fleet.Database.ColumnAsync<string>(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> 'schema_migration'");
            await using var lockAll = new MySqlCommand(
                $"LOCK TABLES {string.Join(", ", tables.Select(table => $"`{table}` WRITE"))}", connection);
            await lockAll.ExecuteNonQueryAsync();

            var answers = await AskAllAsync(Calls(fleet, user, show, paid, held, payment));

            ExpectRefused(answers);
            await OutageTable.ExpectAsync("Tables of MySQL locked", fleet.Members[0].Instance);
            await using var unlock = new MySqlCommand("UNLOCK TABLES", connection);
            await unlock.ExecuteNonQueryAsync();
        }

        await Eventually.GetAsync(() => user.PayAsync(held, key: held), reply => reply.Status == 201, ComeBack);
        foreach (var (name, reply, _) in await AskAllAsync(Calls(fleet, user, show, paid, held, payment)))
        {
            await Assert.That(reply.Status).IsLessThan(500).Because(name);
        }

        await fleet.VerifyAsync();
    }

    [Test, Category("Long"), Explicit]
    public async Task ServerStopped_EveryCallGets503InTime_AndRecoversWithTheServer()
    {
        await using var kafka = await KafkaServers.StartAsync(new ServerOptions { AllowNamed = false });
        await using var fleet = await Fleet.StartAsync(Rig, 1, (KafkaServers.Setting, kafka.ConnectionString));
        var show = await fleet.Catalogue.AddShowAsync();
        var user = await fleet.NewVisitorAsync(show, points: 2 * show.Price);
        var (paid, held) = (await user.HeldAsync(show, 1), await user.HeldAsync(show, 2));
        var payment = (await user.PayAsync(paid)).Expect(201).Value("paymentId");
        await Rig.Servers.MySql.PauseAsync();
        try
        {
            for (var wave = 0; wave < 2; wave++)
            {
                ExpectRefused(await AskAllAsync(Calls(fleet, user, show, paid, held, payment)));
            }

            await OutageTable.ExpectAsync("MySQL stopped or hung", fleet.Members[0].Instance);
        }
        finally
        {
            await Rig.Servers.MySql.ResumeAsync();
        }

        await Eventually.GetAsync(() => user.PayAsync(held, key: held), reply => reply.Status == 201, ComeBack);
        await Eventually.GetAsync(() => fleet[0].GetAsync("/v1/concerts"), reply => reply.Status == 200, ComeBack);
        await fleet.VerifyAsync();
    }

    /// <summary>Twice, with everything in use: what a slot or the pool would keep of the first time is missed in the second.</summary>
    [Test]
    public async Task ConnectionsSilent_NewOnesWork_AllIsBackWithinTenSeconds()
    {
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var kafka = await KafkaServers.StartAsync(new ServerOptions { AllowNamed = false });
        await using var fleet = await Fleet.StartAsync(Rig, 0, (KafkaServers.Setting, kafka.ConnectionString));
        var behind = await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(fleet.Database)));
        var show = await fleet.Catalogue.AddShowAsync(seats: 20);
        var user = await fleet.NewVisitorAsync(show, points: show.Price);
        for (var round = 1; round <= 2; round++)
        {
            var overdue = await user.HeldAsync(show, round);
            await CrowdAsync(fleet, show); // fills the pool
            proxy.Silence();
            await fleet.Database.LetHoldPassAsync(overdue);
            var silent = Stopwatch.StartNew();

            ExpectRefused((await CrowdAsync(fleet, show)).Where(answer => answer.Reply.Status >= 500));

            await WithinAsync(() => user.GetAsync("/v1/reservations"), 200);
            await WithinAsync(() => user.GetAsync("/v1/points"), 200);
            await WithinAsync(() => fleet[0].GetAsync($"/v1/schedules/{show.ScheduleId}/seats"), 200);
            await WithinAsync(() => user.ChargeAsync(1), 201);
            await WithinAsync(() => fleet.Catalogue.PutQueueAsync(show.Queue, Catalogue.Everybody), 200);
            await Eventually.TrueAsync(
                async () => await fleet.Database.StatusAsync(overdue) == "EXPIRED", ComeBack - silent.Elapsed, what: "the sweep is back");
            await OutageTable.ExpectAsync("Connections to MySQL silent", behind.Instance);

            // As many at once as there are slots: none was lost.
            await Eventually.TrueAsync(
                async () => (await CrowdAsync(fleet, show)).All(answer => answer.Reply.Status < 500), what: "all connections are back");

            Task WithinAsync(Func<Task<Reply>> ask, int status) =>
                Eventually.GetAsync(ask, reply => reply.Status == status, ComeBack - silent.Elapsed, what: $"{status} again");
        }
        await fleet.VerifyAsync();
    }

    /// <summary>Their first statement, BEGIN, has a limit of time as well, or each of them would cost the pool a connection.</summary>
    [Test]
    public async Task ConnectionsSilent_ChangesOfSchedules_GiveThemUp()
    {
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var fleet = await Fleet.StartAsync(Rig, 0);
        await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(fleet.Database)));
        var show = await fleet.Catalogue.AddShowAsync();
        await CrowdAsync(fleet, show); // fills the pool
        proxy.Silence();

        ExpectRefused(await AskAllAsync(Enumerable.Range(1, 3).ToDictionary<int, string, Func<Task<Reply>>>(
            price => $"price {price}", price => () => fleet.Admin.SendAsync(
                HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", $$"""{"price":{{price}}}"""))));

        await Eventually.TrueAsync(() => proxy.SilentConnections == 0, ComeBack);
    }

    /// <summary>Calls that insert many rows have longer for that, and no longer than others to find that nobody answers.</summary>
    [Test]
    public async Task NothingAnswered_ManySeats_Get503InTimeAndAreNotInserted()
    {
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var fleet = await Fleet.StartAsync(Rig, 0);
        await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(fleet.Database)));
        var show = await fleet.Catalogue.AddShowAsync();
        await CrowdAsync(fleet, show); // fills the pool
        proxy.Hold();
        try
        {
            for (var wave = 0; wave < 2; wave++) // the first finds connections in the pool, the second makes new ones
            {
                ExpectRefused(await AskAllAsync(BulkCalls(fleet, show)));
            }
        }
        finally
        {
            proxy.Release();
        }

        foreach (var (name, call) in BulkCalls(fleet, show))
        {
            await Eventually.GetAsync(call, reply => reply.Status == 201, ComeBack, what: $"{name} again");
        }

        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM hall")).IsEqualTo(1);
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM concert_schedule")).IsEqualTo(2);
    }

    /// <summary>It takes longer than any other statement may, on a database where a seat takes its time.</summary>
    [Test]
    public async Task ManySeats_InsertedSlowly_HaveALimitOfTheirOwn()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var show = await fleet.Catalogue.AddShowAsync();
        await fleet.Database.ExecuteAsync(
            "CREATE TRIGGER slow BEFORE INSERT ON seat FOR EACH ROW BEGIN IF NEW.seat_no = 1 THEN DO SLEEP(6); END IF; END");

        var schedule = await fleet.Catalogue.AddScheduleAsync(show.ConcertId, seats: 1000);

        await Assert.That(
            await fleet.Database.ScalarAsync<long>(
                "SELECT COUNT(*) FROM seat WHERE schedule_id = @schedule", ("@schedule", schedule))).IsEqualTo(1000);
    }

    /// <summary>Every call that asks MySQL, but those whose answer would change what the others find.</summary>
    private static Dictionary<string, Func<Task<Reply>>> Calls(
        Fleet fleet, Visitor user, Show show, string paid, string held, string payment)
    {
        var admin = fleet.Admin;
        var other = fleet.NewVisitor(); // a third write of one user would wait for the others of the same user, not for MySQL
        return new(BulkCalls(fleet, show))
        {
            ["list concerts"] = () => fleet[0].GetAsync("/v1/concerts"),
            ["list schedules"] = () => fleet[0].GetAsync($"/v1/concerts/{show.ConcertId}/schedules"),
            ["list seats"] = () => fleet[0].GetAsync($"/v1/schedules/{show.ScheduleId}/seats"),
            ["enter a queue never seen"] = () => other.EnterAsync(Catalogue.NewQueueName()),
            ["read a reservation"] = () => user.ReservationAsync(held),
            ["list reservations"] = () => user.GetAsync("/v1/reservations"),
            ["read a payment"] = () => user.GetAsync($"/v1/payments/{payment}"),
            ["read the balance"] = () => user.GetAsync("/v1/points"),
            ["list transactions"] = () => user.GetAsync("/v1/points/transactions"),
            ["hold"] = () => user.HoldAsync(show, 3),
            ["release"] = () => other.ReleaseAsync(paid),
            ["pay"] = () => user.PayAsync(paid),
            ["charge"] = () => other.ChargeAsync(1),
            ["create a concert"] = () => admin.PostAsync("/v1/admin/concerts", """{"title":"t"}"""),
            ["update a concert"] = () => admin.SendAsync(HttpMethod.Patch, $"/v1/admin/concerts/{show.ConcertId}", """{"title":"t"}"""),
            ["update a schedule"] = () => admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"price":7}"""),
            ["put a queue"] = () => fleet.Catalogue.PutQueueAsync(show.Queue, Catalogue.Everybody),
            ["count events"] = () => admin.GetAsync("/v1/admin/events"),
            ["replay events"] = () => admin.PostAsync("/v1/admin/events/replay", """{"state":"dead"}"""),
        };
    }

    private static Dictionary<string, Func<Task<Reply>>> BulkCalls(Fleet fleet, Show show)
    {
        var admin = fleet.Admin;
        return new()
        {
            ["create a schedule"] = () => admin.PostAsync(
                $"/v1/admin/concerts/{show.ConcertId}/schedules", """{"startsAt":"2099-01-01T00:00:00Z","seatCount":5,"price":1}"""),
            ["create a hall"] = () => admin.PostAsync(
                "/v1/admin/halls", """{"name":"h","sections":[{"section":"A","grade":"R","rows":[{"row":"1","seats":20}]}]}"""),
        };
    }

    /// <summary>More than there are connections: charges, holds and reads.</summary>
    private static Task<IReadOnlyList<(string Name, Reply Reply, TimeSpan Took)>> CrowdAsync(Fleet fleet, Show show) =>
        AskAllAsync(Enumerable.Range(0, 40).ToDictionary<int, string, Func<Task<Reply>>>(
            number => $"call {number}", number => (number % 4) switch
        {
            0 => () => fleet.NewVisitor().GetAsync("/v1/reservations"),
            1 => () => fleet[0].GetAsync($"/v1/concerts?limit={1 + (number / 4)}"),
            _ => () => fleet.NewVisitor().ChargeAsync(1),
        }));

    private static async Task<IReadOnlyList<(string Name, Reply Reply, TimeSpan Took)>> AskAllAsync(
        Dictionary<string, Func<Task<Reply>>> calls)
    {
        var answers = new ConcurrentBag<(string, Reply, TimeSpan)>();
        await Task.WhenAll(calls.Select(async call =>
        {
            var asked = Stopwatch.GetTimestamp();
            try
            {
                answers.Add((call.Key, await call.Value(), Stopwatch.GetElapsedTime(asked)));
            }
            catch (TaskCanceledException)
            {
                Assert.Fail($"No answer to '{call.Key}' in {Stopwatch.GetElapsedTime(asked).TotalSeconds:0} s");
            }
        }));
        return [.. answers];
    }

    private static void ExpectRefused(IEnumerable<(string Name, Reply Reply, TimeSpan Took)> answers)
    {
        foreach (var (name, reply, took) in answers.OrderBy(answer => answer.Took))
        {
            Console.WriteLine($"{name}: {reply.Status} after {took.TotalSeconds:0.00} s");
            reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            if (took > Promise)
            {
                Assert.Fail($"{name} took {took.TotalSeconds:0.0} s");
            }
        }
    }
}
