using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Chaos;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>MySQL restarted, frozen, or deadlocking: 503 at worst, and back without anybody's help.</summary>
public sealed class MySqlFaults : FaultTests
{
    private static readonly TimeSpan ComeBack = Eventually.Promised(seconds: 5);

    [Test, Category("Long"), Explicit]
    [Arguments(true)]
    [Arguments(false)]
    public async Task Restart_UnderLoad_BackWithinFiveSeconds(bool killed)
    {
        await using var fleet = await Fleet.StartAsync(Rig, 2, ("Holds__Seconds", "5"));
        var shows = await Sale.OpenAsync(fleet, schedules: 10, maxActive: 7);
        var journal = new Journal();
        using var stop = new CancellationTokenSource();
        var customers = Enumerable.Range(0, 8).Select(seed => new Customer(fleet, shows, journal, seed).RunAsync(stop.Token)).ToArray();
        await Eventually.TrueAsync(() => journal.Count("pay", Outcome.Ok) > 20);

        await (killed ? Rig.Servers.MySql.KillAsync() : Rig.Servers.MySql.StopAsync());
        foreach (var member in fleet.Members)
        {
            (await ProbeAsync(member)).Reply!.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            await Eventually.GetAsync(() => member.Api.GetAsync("/readyz"), ready => ready.Status == 503);
        }
        await Rig.Servers.MySql.StartAsync();
        var up = Stopwatch.StartNew();
        foreach (var member in fleet.Members)
        {
            await Eventually.GetAsync(() => ProbeAsync(member), probe => probe.Outcome is Outcome.Ok, ComeBack - up.Elapsed);
            await Eventually.GetAsync(() => member.Api.GetAsync("/readyz"), ready => ready.Status == 200, ComeBack - up.Elapsed);
        }

        var paid = journal.Count("pay", Outcome.Ok);
        await Eventually.TrueAsync(
            () => journal.Count("pay", Outcome.Ok) > paid + 20);
        await stop.CancelAsync();
        await Task.WhenAll(customers);
        await fleet.SettleAsync(journal);

        Task<Attempt> ProbeAsync(Fleet.Member member)
        {
            var (user, key) = (fleet.NewVisitor(), Visitor.NewKey());
            user.Api = member.Api;
            return journal.TryAsync("charge", user.UserId, "1", key, () => user.ChargeAsync(1, key));
        }
    }

    /// <summary>Connections die in the pool and in mid-statement; the server is there all the time, so no caller need know.</summary>
    [Test]
    public async Task ConnectionsCut_UnderLoad_NoRequestFails()
    {
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var behind = await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(fleet.Database)));
        var late = 0;
        for (var round = 0; round < 10; round++)
        {
            var calls = Enumerable.Range(0, 40).Select(async number =>
            {
                await Task.Delay(number);
                var (user, key) = (fleet.NewVisitor(), Visitor.NewKey());
                user.Api = behind.Api;
                return await Eventually.AnsweredAsync(async () =>
                {
                    var reply = await user.ChargeAsync(10, key);
                    Interlocked.Add(ref late, reply.Status == 503 ? 1 : 0);
                    return reply;
                });
            }).ToArray();
            await Task.Delay(20);
            proxy.Cut();
            foreach (var reply in await Task.WhenAll(calls))
            {
                reply.Expect(201);
            }
        }

        await Assert.That(proxy.Cuts).IsGreaterThan(20);
        await Assert.That(late).IsLessThan(proxy.Cuts / 2).Because("a busy machine makes some wait too long, not each cut a refusal");
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM point_tx")).IsEqualTo(400);
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task Pause_OfMySql_AllAreAnswered()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 100);
        var user = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservation = await user.HeldAsync(show);
        var answers = new ConcurrentBag<(TimeSpan Took, Reply Reply)>();
        await Rig.Servers.MySql.PauseAsync();
        try
        {
            // More than the pool has, twice in a row: those who got a connection, and those who found none.
            for (var wave = 0; wave < 2; wave++)
            {
                await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
                {
                    var started = Stopwatch.GetTimestamp();
                    var reply = await Rig.NewVisitor().ChargeAsync(1);
                    answers.Add((Stopwatch.GetElapsedTime(started), reply));
                }));
            }
        }
        finally
        {
            await Rig.Servers.MySql.ResumeAsync();
        }

        foreach (var (_, reply) in answers)
        {
            reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
        }

        await Assert.That(answers.Max(answer => answer.Took)).IsLessThan(Eventually.Promised(seconds: 2));
        await Eventually.GetAsync(() => user.PayAsync(reservation, key: reservation), reply => reply.Status == 201, ComeBack);
        await Rig.VerifyAsync();
    }

    /// <summary>
    /// The test takes the lock that the service needs next, waits until the service waits, and then asks for the one
    /// the service has. It has changed more rows, so InnoDB ends the service's transaction; the caller must not notice.
    /// </summary>
    [Test]
    public async Task Deadlock_InAHold_IsRetried() => await DeadlockAsync(
        (user, show) => Task.FromResult<Func<Task<Reply>>>(() => user.HoldAsync(show, 2)),
        mine: "SELECT 1 FROM seat WHERE schedule_id = @schedule AND seat_no = 2 FOR UPDATE",
        theirs: "SELECT 1 FROM user_point_balance WHERE user_id = @user FOR UPDATE",
        status: 201);

    [Test]
    public async Task Deadlock_InAPayment_IsRetried() => await DeadlockAsync(
        async (user, show) =>
        {
            var reservation = await user.HeldAsync(show);
            return () => user.PayAsync(reservation);
        },
        mine: "SELECT 1 FROM reservation WHERE user_id = @user AND status = 'HELD' FOR UPDATE",
        theirs: "SELECT 1 FROM user_point_balance WHERE user_id = @user FOR UPDATE",
        status: 201);

    [Test]
    public async Task Deadlock_InARelease_IsRetried() => await DeadlockAsync(
        async (user, show) =>
        {
            var reservation = await user.HeldAsync(show);
            return () => user.ReleaseAsync(reservation);
        },
        mine: "SELECT 1 FROM seat WHERE schedule_id = @schedule AND seat_no = 1 FOR UPDATE",
        theirs: "SELECT 1 FROM reservation WHERE user_id = @user FOR UPDATE",
        status: 204);

    private Task<long> DeadlocksAsync() =>
        Rig.Database.ScalarAsync<long>("SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'");

    private Task DeadlockAsync(Func<Visitor, Show, Task<Func<Task<Reply>>>> prepare, string mine, string theirs, int status) =>
        Eventually.InTimeAsync(Eventually.HalfARequest, clock => DeadlockAsync(prepare, mine, theirs, status, clock));

    private async Task DeadlockAsync(
        Func<Visitor, Show, Task<Func<Task<Reply>>>> prepare, string mine, string theirs, int status, Stopwatch clock)
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var user = await Rig.NewVisitorAsync(show, points: show.Price);
        var send = await prepare(user, show);
        await using var connection = await Rig.Database.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await ExecuteAsync(transaction, HeavyWork, user, show);
        await ExecuteAsync(transaction, mine, user, show);
        clock.Start();
        var call = send();
        await Rig.Database.ExpectWaitingAsync(call);

        var before = await DeadlocksAsync();
        await ExecuteAsync(transaction, theirs, user, show);
        await transaction.RollbackAsync();
        var reply = await call;
        clock.Stop();

        // Had InnoDB not seen a deadlock, this lock would have come when the service's wait for the other ended.
        await Assert.That(await DeadlocksAsync()).IsGreaterThan(before);
        reply.Expect(status);
        await Rig.VerifyAsync();
    }

    /// <summary>
    /// A lock that does not come ends only the statement: what the transaction did before must be undone, or the
    /// connection's next transaction would commit it.
    /// </summary>
    [Test]
    public async Task LockTimeout_InAPayment_LeavesNothingBehind()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var user = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservation = await user.HeldAsync(show);
        var key = Visitor.NewKey();
        await using (var connection = await Rig.Database.OpenAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await ExecuteAsync(transaction, "SELECT 1 FROM reservation WHERE user_id = @user FOR UPDATE", user, show);
            (await user.PayAsync(reservation, key)).ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            // The caller heard 503 at its deadline; the server ends the wait, and with it the transaction, by its own clock.
            await Eventually.TrueAsync(
                () => LocksAsync(transaction, "SELECT 1 FROM user_point_balance WHERE user_id = @user FOR UPDATE NOWAIT", user, show),
                ComeBack);
            await transaction.RollbackAsync();
        }

        await Assert.That((await Rig.Database.ColumnAsync<string>(
            "SELECT idempotency_key FROM idempotency WHERE user_id = @user AND call_name = 'pay'",
            ("@user", user.UserId))).Count).IsEqualTo(0);
        await Assert.That((await user.PayAsync(reservation, key)).Expect(201).Header("Idempotency-Replayed")).IsNull();
        await Rig.VerifyAsync();
    }

    private const int LockNowaitOnMySql = 3572;

    /// <returns>Whether nobody else has a lock there.</returns>
    private static async Task<bool> LocksAsync(MySqlTransaction transaction, string sql, Visitor user, Show show)
    {
        try
        {
            await ExecuteAsync(transaction, sql, user, show);
            return true;
        }
        catch (MySqlException exception) when (exception.ErrorCode is MySqlErrorCode.LockWaitTimeout
            || exception.Number == LockNowaitOnMySql)
        {
            return false;
        }
    }

    /// <summary>Rows that nobody else touches, in number enough to be the dearer transaction to undo.</summary>
    private static string HeavyWork { get; } =
        "INSERT INTO idempotency (user_id, call_name, idempotency_key, body_hash, attempt_id) VALUES "
        + string.Join(", ", Enumerable.Range(0, 200).Select(row => $"(0, 'heavy', UUID(), REPEAT('x', 32), REPEAT('{row % 10}', 16))"));

    private static async Task ExecuteAsync(MySqlTransaction transaction, string sql, Visitor user, Show show)
    {
        await using var command = new MySqlCommand(sql, transaction.Connection, transaction);
        command.Parameters.AddWithValue("@user", user.UserId);
        command.Parameters.AddWithValue("@schedule", show.ScheduleId);
        await command.ExecuteNonQueryAsync();
    }
}
