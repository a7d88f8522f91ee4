using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Events;
using ConcertBooking.Tests.Faults;
using ConcertBooking.Tests.Rankings;
using ConcertBooking.Tests.Security;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Deploy;

/// <summary>Every section of deploy/runbook.md: its trouble is made, its commands are run as they stand there, and they help.</summary>
[ParallelLimiter<ThreeAtOnce>]
public sealed partial class RunbookTests : SharedRigTests
{
    [Test]
    public async Task Always_HealthyService_MatchesTheRunbook()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        using var onCall = new OnCall("Runbook", fleet, Rig.Settings);

        var output = await onCall.ShellAsync(1);

        await Assert.That(output).Contains("all invariants hold").And.Contains("\"mysql\":\"up\"");
    }

    /// <summary>Somebody's forgotten transaction holds what payments need, and their statements carry ids.</summary>
    [Test]
    public async Task Payment500sRising_LocksHeld_FoundAndEndedAndChargedOnce()
    {
        const int Pool = 3;
        await using var fleet = await Fleet.StartAsync(Rig, 1, ("Database__MaxPoolSize", $"{Pool}"));
        using var onCall = new OnCall("Payment 500s rising", fleet, Rig.Settings);
        var show = await fleet.Catalogue.AddShowAsync();
        var payers = new List<(Visitor Visitor, string ReservationId, string Key)>();
        for (var seatNo = 1; seatNo <= Pool; seatNo++)
        {
            var visitor = await fleet.NewVisitorAsync(show, points: show.Price);
            payers.Add((visitor, await visitor.HeldAsync(show, seatNo), Visitor.NewKey()));
        }
        var service = await DocumentedGrants.GrantAsync(fleet.Database, DocumentedGrants.Service);
        await using var culprit = await service.OpenAsync();
        await using (var forgotten = new MySqlCommand("START TRANSACTION; SELECT status FROM reservation FOR UPDATE", culprit))
        {
            await forgotten.ExecuteScalarAsync();
        }

        foreach (var reply in await PayAllAsync())
        {
            reply.ExpectProblem(503, "database_unavailable");
        }

        var metrics = await onCall.ShellAsync(1);
        var waiting = PayAllAsync();
        var held = await Eventually.GetAsync(
            async () =>
            {
                waiting = waiting.IsCompleted ? PayAllAsync() : waiting; // they wait for two seconds and no longer
                return Transactions((await onCall.SqlAsync(2))[^1][^1]);
            },
            transactions => transactions.Any(static one => one.Waits) && transactions.Any(one => one.Thread == culprit.ServerThread));
        await onCall.SqlAsync(3, ("@id", held.Single(one => one.Thread == culprit.ServerThread).Thread));

        await Assert.That(metrics).Matches("""booking_payments_total\{[^}]*result="database_unavailable"[^}]*\} [1-9]""");
        await Assert.That(metrics).Contains("booking_db_connections{").And.Matches(
            """booking_dependency_up\{[^}]*dependency="mysql"[^}]*\} 1""");
        await Assert.That(held.Single(one => one.Thread == culprit.ServerThread).Waits).IsFalse();
        await waiting;
        foreach (var reply in await PayAllAsync())
        {
            reply.Expect(201);
        }

        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM payment")).IsEqualTo(Pool);
        await fleet.VerifyAsync();

        Task<Reply[]> PayAllAsync() => Task.WhenAll(payers.Select(static payer => payer.Visitor.PayAsync(payer.ReservationId, payer.Key)));
    }

    [Test]
    public async Task SeatsLockedInHeld_NoWorker_FoundAndEndedByHand()
    {
        await using var fleet = await Fleet.StartAsync(
            Rig, 1, ("Roles", "api"), (KafkaServers.Setting, Rig.Settings[KafkaServers.Setting]));
        using var onCall = new OnCall("Seats locked in HELD", fleet, Rig.Settings);
        var show = await fleet.Catalogue.AddShowAsync();
        var visitor = await fleet.NewVisitorAsync(show);
        var (overdue, good) = (await visitor.HeldAsync(show, seatNo: 1), await visitor.HeldAsync(show, seatNo: 2));
        await fleet.Database.LetHoldPassAsync(overdue);
        await ExpectMetricAsync(fleet, "booking_holds_overdue", 1);

        var metric = await onCall.ShellAsync(1);
        var found = await onCall.SqlAsync(2);
        await onCall.SqlAsync(3);

        await Assert.That(metric).Matches(@"(?m)^booking_holds_overdue\S* 1$");
        await Assert.That(metric).Matches(@"(?m)^booking_worker\S* 0$");
        await OutageTable.ExpectAsync("No worker", fleet.Members[0].Instance);
        await Assert.That(found.Select(static row => (row[0], row[1]))).IsEquivalentTo([(overdue, "1")]);
        await Assert.That(await onCall.SqlAsync(2)).IsEmpty();
        await Assert.That((await fleet.Database.StatusAsync(overdue), await fleet.Database.StatusAsync(good)))
            .IsEqualTo(("EXPIRED", "HELD"));
        await Assert.That(await fleet.Database.EventTypesAsync(overdue)).IsEquivalentTo(["booking.held.v1"]);
        await (await fleet.NewVisitorAsync(show)).HeldAsync(show, seatNo: 1);
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task AdmissionStalled_QueueFull_SeenAndMoreAdmitted()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var show = await fleet.Catalogue.AddShowAsync(maxActive: 1);
        using var onCall = new OnCall("Nobody becomes ACTIVE", fleet, Rig.Settings, show.Queue);
        await fleet.NewVisitorAsync(show);
        var next = fleet.NewVisitor();
        await Assert.That((await next.EnteredAsync(show.Queue)).Value("status")).IsEqualTo("WAITING");
        await ExpectMetricAsync(fleet, "booking_queue_waiting", 1, show.Queue);

        var output = (await onCall.ShellAsync(1)).Split('\n', 2);
        var changed = JsonElement.Parse(await onCall.ShellAsync(2));

        // curl ends without a line break, so the first metric follows on the same line.
        await Assert.That(output[0]).Contains("\"waiting\":1").And.Contains("\"active\":1").And.Contains("\"maxActive\":1,");
        await Assert.That(string.Join('\n', output)).Matches(@"booking_queue_admission_share\S* 1");
        await Assert.That((changed.Number("waiting"), changed.Number("active"), changed.Number("maxActive"))).IsEqualTo((0, 2, 100));
        await Assert.That((await next.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
    }

    [Test]
    public async Task RedisLost_SeenAndAdmittedGoOnAndTheLineComesBack()
    {
        await using var rig = await EventRig.StartAsync(Rig, changes: ("Queue__SettleSeconds", "1"));
        var show = await rig.Fleet.Catalogue.AddShowAsync(maxActive: 1);
        using var onCall = new OnCall("Redis lost", rig.Fleet, SettingsOf(rig), show.Queue);
        var admitted = await rig.Fleet.NewVisitorAsync(show, points: show.Price);
        var waiting = rig.Fleet.NewVisitor();
        await waiting.EnteredAsync(show.Queue);

        await rig.Redis.KillAsync();
        await OutageTable.ExpectAsync("Redis gone", rig.Fleet.Members[0].Instance);
        var output = await onCall.ShellAsync(1);
        (await rig.Fleet.NewVisitor().EnterAsync(show.Queue)).ExpectProblem(503, "queue_unavailable").ExpectRetryAfter();
        (await admitted.PayAsync(await admitted.HeldAsync(show))).Expect(201);
        var after = onCall.ShellAsync(2); // waits for Redis
        await rig.Redis.StartAsync();

        await Assert.That(await after).Contains($"\"queue\":\"{show.Queue}\"").And.Contains("all invariants hold");
        await Assert.That(output).Contains("\"status\":\"degraded\"").And.Contains("\"redis\":\"down\"");
        await Assert.That(output).Matches("""booking_dependency_up\{[^}]*dependency="redis"[^}]*\} 0""");
        await Eventually.GetAsync(waiting.PlaceAsync, static place => place.Status == 200 && place.Value("status") == "ACTIVE");
    }

    [Test]
    public async Task KafkaOutage_EventsWaitAndAreSeenAndGoByThemselves()
    {
        await using var rig = await EventRig.StartAsync(Rig);
        using var onCall = new OnCall("Kafka outage", rig.Fleet, SettingsOf(rig));
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        await rig.SellAsync(show, seats: 1);
        await Eventually.TrueAsync(async () => (await onCall.SqlAsync(2)).Count == 0);
        await rig.Kafka.KillAsync();

        await rig.SellAsync(show, seats: 2, from: 2);
        await OutageTable.ExpectAsync("Kafka gone", rig.Fleet.Members[0].Instance);
        var output = JsonElement.Parse(await onCall.ShellAsync(1));
        var waiting = (await onCall.SqlAsync(2)).Single();
        await rig.Kafka.StartAsync();

        await Assert.That(output.GetProperty("outbox").Number("pending")).IsEqualTo(4); // two holds, two payments
        await Assert.That((waiting[0], waiting[1])).IsEqualTo(("PENDING", "4"));
        await rig.ExpectEffectsOnceAsync(show, 3);
        await Eventually.TrueAsync(async () => (await onCall.SqlAsync(2)).Count == 0);
        await rig.Fleet.VerifyAsync();
    }

    [Test]
    public async Task DeadLetters_BothKinds_SeenAndPutBackAndCountedOnce()
    {
        await using var rig = await EventRig.StartAsync(Rig, changes: ("Roles", "api"));
        using var onCall = new OnCall("Dead letters", rig.Fleet, SettingsOf(rig));
        var show = await rig.Fleet.Catalogue.AddShowAsync();
        var refused = (await rig.SellAsync(show, seats: 1)).Single();
        await rig.Database.ExecuteAsync(
            "UPDATE outbox SET state = 'DEAD', attempts = 10, last_error = 'too large' WHERE event_type = 'payment.completed.v2'");
        await rig.Fleet.AddAsync(("Roles", "api,worker"));
        // Of a schedule that nobody knows, until its cause is mended; the others' success makes it the culprit.
        await KafkaTopics.SendAsync(rig.Kafka.ConnectionString, PaymentOf(scheduleId: 4711, show));
        await rig.SellAsync(show, seats: 2, from: 2);
        await Eventually.GetAsync(
            async () => (await rig.Fleet.Admin.GetAsync("/v1/admin/events")).Expect(200).Json,
            static events => events.GetProperty("outbox")
                .Number("pending") == 0 && !events.IsNull("deadLetters") && events.Number("deadLetters") == 1);

        var output = JsonElement.Parse(await onCall.ShellAsync(1));
        var dead = (await onCall.SqlAsync(2)).Single();
        await rig.Database.ExecuteAsync(
            "INSERT INTO concert_schedule (schedule_id, concert_id, starts_at, price, seat_count) VALUES (4711, @id, '2030-01-01', 1, 1)",
            ("@id", show.ConcertId));
        var replayed = JsonElement.Parse(await onCall.ShellAsync(3));

        await Assert.That((output.GetProperty("outbox").Number("dead"), output.Number("deadLetters"))).IsEqualTo((1, 1));
        await Assert.That((dead[1], dead[2], dead[4])).IsEqualTo(("payment.completed.v2", "10", "too large"));
        await Assert.That((replayed.Number("outbox"), replayed.Number("deadLetters"))).IsEqualTo((1, 1));
        await Eventually.GetAsync(() => rig.RankedAsync(show), static ranked => ranked == 4);
        await Eventually.GetAsync(rig.SeatsSoldAsync, static sold => sold == 4);
        replayed = JsonElement.Parse(await onCall.ShellAsync(3));
        await Assert.That((replayed.Number("outbox"), replayed.Number("deadLetters"))).IsEqualTo((0, 0));
        await Assert.That(await onCall.SqlAsync(2)).IsEmpty();
        await Assert.That(await rig.Database.EventTypesAsync(refused)).IsEmpty();
        await rig.Fleet.VerifyAsync();
    }

    [Test]
    public async Task MemoryShort_AnyService_ReportsHowMuchOfHowMuch()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        using var onCall = new OnCall("Memory short", fleet, Rig.Settings);

        var output = await onCall.ShellAsync(1);

        foreach (var metric in (string[])["dotnet_process_memory_working_set_bytes", "booking_memory_limit_bytes",
            "kestrel_active_connections"])
        {
            await Assert.That(output).Matches($@"(?m)^{metric}\S* [1-9]");
        }

        await Assert.That(output).Matches(@"(?m)^booking_seat_streams\S* 0");
    }

    [Test]
    public async Task InstanceGone_ItRuns_SaysSo()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        using var onCall = new OnCall("Instance gone", fleet, Rig.Settings);

        await Assert.That(await onCall.ShellAsync(1)).Contains("alive").And.Contains("\"mysql\":\"up\"");
    }

    [Test]
    public async Task DeployAndRollback_OneOfTwo_LeavesInOrderAndIsBack()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 2);
        var (leaving, staying) = (fleet.Members[0], fleet.NewVisitor(member: 1));
        using var onCall = new OnCall("Deploy and rollback", fleet, Rig.Settings);
        onCall.Environment["pid"] = $"{leaving.Instance.Process.ProcessId}";

        var stopping = onCall.ShellAsync(1);
        while (!stopping.IsCompleted)
        {
            (await staying.ChargeAsync(1)).Expect(201);
        }

        await stopping;
        await Assert.That(leaving.Runs).IsFalse();
        await Assert.That(await leaving.Instance.Process.WaitForExitAsync().WaitAsync(Eventually.Patience)).IsEqualTo(0);
        var coming = onCall.ShellAsync(2); // begins before there is anybody to answer
        await leaving.StartAsync(waitFor: "/livez");

        await Assert.That(await coming).Contains("\"mysql\":\"up\"").And.DoesNotContain("unready");
        (await fleet.NewVisitor().ChargeAsync(1)).Expect(201);
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task SchemaMigration_OldSchemaThenNewerOne_BuildRunsOnBoth()
    {
        var database = await Rig.AddDatabaseAsync(migrate: false);
        var settings = Rig.Settings;
        settings[MySqlServers.Setting] = database.ConnectionString;
        settings[KafkaServers.Setting] = null;
        using var onCall = new OnCall("Schema migration", database, settings);
        await using var instance = await Rig.StartAsync(settings, waitFor: "/livez");
        await Assert.That((await instance.Api.GetAsync("/readyz")).Status).IsEqualTo(503);

        await onCall.ShellAsync(1, DocumentedGrants.Migrate);

        await Eventually.GetAsync(() => instance.Api.GetAsync("/readyz"), static ready => ready.Status == 200);
        var applied = await onCall.SqlAsync(2);
        await Assert.That(applied.Count)
            .IsEqualTo(Directory.GetFiles(Repository.PathOf("src/ConcertBooking/MySql/Migrations"), "*.sql").Length);
        // What a newer build's migration leaves; the older build, which is this one, takes no offence.
        await database.ExecuteAsync("INSERT INTO schema_migration (number, name, checksum) VALUES (999, '999_newer.sql', REPEAT('0', 64))");
        await Assert.That(await onCall.ShellAsync(1, DocumentedGrants.Migrate)).Contains("nothing to do");
        await using var older = await Rig.StartAsync(settings);
        (await Rig.NewVisitor(older).ChargeAsync(1)).Expect(201);
    }

    [Test]
    public async Task RotatingTheSigningKeys_StepByStep_AllStaySignedIn()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 2);
        using var onCall = new OnCall("Rotating the signing keys", fleet, Rig.Settings);
        var queue = await fleet.Catalogue.AddQueueAsync();
        var serving = fleet.Members.ToArray();
        var old = fleet.NewVisitor();
        await old.EnteredAsync(queue);
        var unrenewed = old.QueueToken;

        await onCall.ExportAsync(1);
        for (var index = 0; index < serving.Length; index++)
        {
            await ExchangeAsync(index);
        }

        await onCall.ExportAsync(2);
        await ExchangeAsync(0);
        // Half of the instances write with the new keys: what they write is read by the others too.
        var userId = UserIds.Next();
        var renewed = new Visitor(serving[0].Api, userId, AccessTokens.For(onCall.Environment["Auth__SigningKey"]!, userId));
        await renewed.EnteredAsync(queue);
        await ExpectKnownAsync(renewed);
        await ExchangeAsync(1);
        await ExpectKnownAsync(renewed);
        await onCall.ExportAsync(3);
        await Assert.That(onCall.Environment["Auth__PreviousSigningKey"] ?? onCall.Environment["QueueToken__PreviousSigningKey"]).IsNull();
        var last = serving[0];
        serving[0] = await fleet.AddAsync(Keys());

        // The old token is out of use where the old key is gone, and had been renewed in its time.
        old.Api = renewed.Api = serving[0].Api;
        (await old.GetAsync("/v1/points")).ExpectProblem(401, "unauthorized");
        (await old.PlaceAsync()).Expect(200);
        (await renewed.GetAsync("/v1/points")).Expect(200);
        (await renewed.PlaceAsync()).Expect(200);
        old.QueueToken = unrenewed;
        (await old.PlaceAsync()).ExpectProblem(401, "queue_token_invalid");
        old.Api = last.Api;
        (await old.PlaceAsync()).Expect(200);

        async Task ExchangeAsync(int index)
        {
            await serving[index].KillAsync();
            serving[index] = await fleet.AddAsync(Keys());
            await ExpectKnownAsync(old);
        }

        async Task ExpectKnownAsync(Visitor visitor)
        {
            foreach (var member in serving)
            {
                visitor.Api = member.Api;
                (await visitor.GetAsync("/v1/points")).Expect(200);
                (await visitor.PlaceAsync()).Expect(200);
            }
        }

        (string, string?)[] Keys() => [.. onCall.Environment.Where(static one => one.Key.EndsWith("SigningKey", StringComparison.Ordinal))
            .Select(static one => (one.Key, one.Value))];
    }

    [Test]
    [DependsOn(nameof(Always_HealthyService_MatchesTheRunbook))]
    [DependsOn(nameof(Payment500sRising_LocksHeld_FoundAndEndedAndChargedOnce))]
    [DependsOn(nameof(SeatsLockedInHeld_NoWorker_FoundAndEndedByHand))]
    [DependsOn(nameof(AdmissionStalled_QueueFull_SeenAndMoreAdmitted))]
    [DependsOn(nameof(RedisLost_SeenAndAdmittedGoOnAndTheLineComesBack))]
    [DependsOn(nameof(KafkaOutage_EventsWaitAndAreSeenAndGoByThemselves))]
    [DependsOn(nameof(DeadLetters_BothKinds_SeenAndPutBackAndCountedOnce))]
    [DependsOn(nameof(MemoryShort_AnyService_ReportsHowMuchOfHowMuch))]
    [DependsOn(nameof(InstanceGone_ItRuns_SaysSo))]
    [DependsOn(nameof(DeployAndRollback_OneOfTwo_LeavesInOrderAndIsBack))]
    [DependsOn(nameof(SchemaMigration_OldSchemaThenNewerOne_BuildRunsOnBoth))]
    [DependsOn(nameof(RotatingTheSigningKeys_StepByStep_AllStaySignedIn))]
    [DependsOn(typeof(PoisonMessageTests), nameof(PoisonMessageTests.Consume_WebhookDown_GroupBehindIsSeenUntilItHasCaughtUp))]
    [DependsOn(typeof(RestoreTests), nameof(RestoreTests.Rankings_MySqlRestoredWhileSalesGoOn_LoseWhatNeverHappenedAndNothingElse))]
    [DependsOn(typeof(RestoreTests), nameof(RestoreTests.Backup_DumpedDuringASale_IsRestoredBesideAYoungerRedisAndKafka))]
    [DependsOn(typeof(DemotedPrimary), nameof(DemotedPrimary.ReadOnly_NoOtherServer_UnreadyAndSaidInOneLineUntilItWrites))]
    [DependsOn(typeof(FullDisk), nameof(FullDisk.NoRoom_WritesRefused_UnreadyUntilThereIsRoom))]
    [DependsOn(typeof(OidcTests), nameof(OidcTests.Issuer_HangsAtStart_TokensAre503InTime_AndItRecoversByItself))]
    public async Task Runbook_EveryBlock_WasRun() =>
        await Assert.That(OnCall.Ran.Select(Name)).IsEquivalentTo(Runbook.Blocks.Select(Name));

    /// <summary>Whoever is woken finds the same in the same place.</summary>
    [Test]
    public async Task Runbook_EverySection_HasItsParts()
    {
        string[] fault = ["Symptom", "Is it this?", "Mitigate", "Fix", "Check", "Notify"];
        string[] work = ["Before", "Do", "Check", "Back out", "Notify"];
        foreach (var (heading, labels) in Runbook.Sections.Where(
            static section => section.Heading is not ("Where things are" or "States and signals")))
        {
            await Assert.That(string.Join(", ", labels)).IsEqualTo(string.Join(", ", labels[0] == work[0] ? work : fault)).Because(heading);
        }
    }

    /// <summary>Where clocks are turned back, an hour of local time comes twice: a hold with 20 minutes left would look overdue.</summary>
    [Test]
    public async Task Runbook_StatementsOnData_BeginWithTheTimeZone()
    {
        foreach (var block in Runbook.Blocks.Where(static block => block.Language == "sql" && StatementOnData().IsMatch(block.Text)))
        {
            await Assert.That(block.Text.TrimStart()).StartsWith("SET time_zone = '+00:00';").Because(Name(block));
        }
    }

    [Test]
    public async Task Alerts_EveryOne_NamesASectionThatExists()
    {
        var alerts = await File.ReadAllTextAsync(Repository.PathOf("deploy/prometheus/alerts.yml"));
        var links = RunbookLinks().Matches(alerts).Select(static link => link.Groups["anchor"].Value).ToList();

        await Assert.That(links.Count).IsEqualTo(AlertNames().Count(alerts));
        await Assert.That(links.Distinct().Except(Runbook.Anchors)).IsEmpty();
    }

    /// <summary>An alert of a severity that no route knows would be one for today, and a cause that is misspelt silences nothing.</summary>
    [Test]
    public async Task Alertmanager_EverySeverityAndName_IsOneOfTheRules()
    {
        var alerts = await File.ReadAllTextAsync(Repository.PathOf("deploy/prometheus/alerts.yml"));
        var manager = await File.ReadAllTextAsync(Repository.PathOf("deploy/alertmanager/alertmanager.yml"));
        var names = AlertNames().Matches(alerts).Select(static alert => alert.Groups["name"].Value).ToList();
        var matched = MatchedNames().Matches(manager).SelectMany(static match => match.Groups["names"].Value.Split('|')).ToList();

        await Assert.That(Severities().Matches(alerts).Select(static alert => alert.Groups["severity"].Value).Distinct())
            .IsEquivalentTo(["P0", "P1", "P2"]);
        await Assert.That(manager).Contains("""['severity = "P0"']""").And.Contains("""['severity = "P1"']""");
        await Assert.That(matched).Contains("DatabaseGone").And.Contains("ServerErrors");
        await Assert.That(matched.Where(one => !names.Any(name => Regex.IsMatch(name, $"^{one}$")))).IsEmpty();
        await Assert.That(await File.ReadAllTextAsync(Repository.PathOf("deploy/prometheus/prometheus.yml")))
            .Contains("targets: [alertmanager:9093]");
    }

    private Dictionary<string, string?> SettingsOf(EventRig rig) =>
        new(Rig.Settings) { [RedisServers.Setting] = rig.Redis.ConnectionString };

    private static string Name(RunbookBlock block) => $"{block.Section}, {block.Language} block {block.Number}";

    /// <summary>The metric is taken every few seconds.</summary>
    private static async Task ExpectMetricAsync(Fleet fleet, string name, int value, string label = "")
    {
        var line = new Regex($@"(?m)^{name}\S*{Regex.Escape(label)}\S* {value}( |$)");
        await Eventually.GetAsync(
            async () => (await fleet.Members[0].Instance.Management.GetAsync("/metrics")).Text, line.IsMatch, what: line.ToString());
    }

    private static PublishedEvent PaymentOf(long scheduleId, Show show) => new(
        "concert-booking.payments",
        Guid.NewGuid().ToString(),
        PaymentEvents.Payload(show.ConcertId, scheduleId, 1),
        new Dictionary<string, string>
        {
            ["ce_id"] = Guid.NewGuid().ToString(),
            ["ce_type"] = "payment.completed.v2",
            ["ce_specversion"] = "1.0",
        });

    /// <summary>As SHOW ENGINE INNODB STATUS lists them: who has one open, and whether it waits for a lock.</summary>
    private static List<(int Thread, bool Waits)> Transactions(string status) => [.. status.Split("---TRANSACTION").Skip(1)
        .Select(static text => (Thread: ThreadId().Match(text), Waits: text.Contains("LOCK WAIT", StringComparison.Ordinal)))
        .Where(static one => one.Thread.Success)
        .Select(static one => (int.Parse(one.Thread.Groups["id"].Value, CultureInfo.InvariantCulture), one.Waits))];

    [GeneratedRegex(@"(?m)^\s*(SELECT|INSERT|UPDATE|DELETE)\b")]
    private static partial Regex StatementOnData();

    [GeneratedRegex(@"thread id (?<id>\d+)")]
    private static partial Regex ThreadId();

    [GeneratedRegex(@"runbook_url: ""\{\{ \$externalLabels\.repository \}\}/deploy/runbook\.md#(?<anchor>[^""]+)""")]
    private static partial Regex RunbookLinks();

    [GeneratedRegex(@"alertname =~? ""(?<names>[^""]+)""")]
    private static partial Regex MatchedNames();

    [GeneratedRegex(@"severity: (?<severity>\w+)")]
    private static partial Regex Severities();

    [GeneratedRegex(@"(?m)^\s*- alert: (?<name>\w+)")]
    private static partial Regex AlertNames();
}
