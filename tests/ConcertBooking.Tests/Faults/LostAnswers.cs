using System.Diagnostics;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>
/// The connection breaks after the request was sent: between the client and the service, or between the service and
/// MySQL. Whoever asks again with the same key learns what became of it, and nothing happens twice.
/// </summary>
public sealed class LostAnswers : FaultTests
{
    [Test]
    public async Task Pay_AnswerLost_RetryGivesTheOriginal()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var user = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var reservation = await user.HeldAsync(show);
        var key = Visitor.NewKey();
        await using var proxy = new TcpProxy("127.0.0.1", Rig.A.Api.Address.Port) { LoseAnswers = true };
        user.Api = Through(proxy);

        await Assert.ThrowsAsync<HttpRequestException>(() => user.PayAsync(reservation, key));

        user.Api = Rig.B.Api;
        var original = (await user.PayAsync(reservation, key)).Expect(201);
        await Assert.That(original.Header("Idempotency-Replayed")).IsEqualTo("true");
        await Assert.That(original.Number("balance")).IsEqualTo(show.Price);
        user.Api = Rig.A.Api;
        await Assert.That((await user.PayAsync(reservation, key)).Text).IsEqualTo(original.Text);
        await Assert.That(await user.BalanceAsync()).IsEqualTo(show.Price);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Charge_AnswerLost_RetryGivesTheOriginal()
    {
        var user = Rig.NewVisitor();
        var key = Visitor.NewKey();
        await using var proxy = new TcpProxy("127.0.0.1", Rig.A.Api.Address.Port) { LoseAnswers = true };
        user.Api = Through(proxy);

        await Assert.ThrowsAsync<HttpRequestException>(() => user.ChargeAsync(500, key));

        user.Api = Rig.B.Api;
        var original = (await user.ChargeAsync(500, key)).Expect(201);
        await Assert.That(original.Header("Idempotency-Replayed")).IsEqualTo("true");
        await Assert.That(await user.BalanceAsync()).IsEqualTo(500);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Hold_AnswerLost_RetryGivesTheSameReservation()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var user = await Rig.NewVisitorAsync(show);
        await using var proxy = new TcpProxy("127.0.0.1", Rig.A.Api.Address.Port) { LoseAnswers = true };
        user.Api = Through(proxy);

        await Assert.ThrowsAsync<HttpRequestException>(() => user.HoldAsync(show));

        user.Api = Rig.B.Api;
        var again = (await user.HoldAsync(show)).Expect(200);
        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation WHERE user_id = @user", ("@user", user.UserId))).IsEqualTo(1);
        await Assert.That(await Rig.Database.StatusAsync(again.Value("reservationId"))).IsEqualTo("HELD");
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task HoldBest_AnswerLost_RetryGivesTheSameSeats()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var user = await Rig.NewVisitorAsync(show);
        var key = Visitor.NewKey();
        await using var proxy = new TcpProxy("127.0.0.1", Rig.A.Api.Address.Port) { LoseAnswers = true };
        user.Api = Through(proxy);

        await Assert.ThrowsAsync<HttpRequestException>(() => user.HoldBestAsync(show, """{"count":3}""", key));

        user.Api = Rig.B.Api;
        var original = (await user.HoldBestAsync(show, """{"count":3}""", key)).Expect(201);
        await Assert.That(original.Header("Idempotency-Replayed")).IsEqualTo("true");
        user.Api = Rig.A.Api;
        await Assert.That((await user.HoldBestAsync(show, """{"count":3}""", key)).Text).IsEqualTo(original.Text);
        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation WHERE user_id = @user", ("@user", user.UserId))).IsEqualTo(3);
        await Rig.VerifyAsync();
    }

    /// <summary>Cut at any moment: before the request is read, while it works, while it answers.</summary>
    [Test]
    public async Task Pay_CutAtAnyMoment_HappensOnce()
    {
        const int Payments = 200;
        var show = await Rig.Catalogue.AddShowAsync(Payments);
        await using var proxy = new TcpProxy("127.0.0.1", Rig.A.Api.Address.Port)
        {
            CutAfter = () => TimeSpan.FromMilliseconds(Random.Shared.NextDouble() * 8),
        };
        var (original, replayed) = (0, 0);

        await Parallel.ForAsync(1, Payments + 1, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (seat, _) =>
        {
            var user = await Rig.NewVisitorAsync(show, points: 3 * show.Price);
            var reservation = await user.HeldAsync(show, seat);
            var key = Visitor.NewKey();
            user.Api = Through(proxy);
            var first = await OrCutAsync(() => user.PayAsync(reservation, key));
            user.Api = Rig.B.Api;
            var second = (await Eventually.GetAsync(
                () => user.PayAsync(reservation, key), reply => reply.Code != "idempotency_key_in_use")).Expect(201);

            if (first is not null)
            {
                await Assert.That(second.Text).IsEqualTo(first.Expect(201).Text);
            }

            if (second.Header("Idempotency-Replayed") is null)
            {
                Interlocked.Increment(ref original);
            }
            else
            {
                Interlocked.Increment(ref replayed);
            }

            await Assert.That(await user.BalanceAsync()).IsEqualTo(2 * show.Price);
        });

        // Cuts that always came too early, or always too late, would prove nothing.
        await Assert.That(proxy.Cuts).IsGreaterThan(Payments / 4);
        await Assert.That(replayed).IsGreaterThan(Payments / 20);
        await Assert.That(original).IsGreaterThan(0);
        await Rig.VerifyAsync();
    }

    /// <summary>
    /// MySQL commits, its answer never arrives: the service cannot know, asks again by itself, and must find what it did.
    /// To the caller it is the first answer, and what follows a first payment follows: the place is handed on.
    /// </summary>
    [Test]
    public async Task AnyChange_AnswerOfMySqlLost_HappensOnce()
    {
        const int Rounds = 30;
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var behind = await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(fleet.Database)));
        var show = await fleet.Catalogue.AddShowAsync(10 * Rounds);
        var seat = 0;
        for (var round = 1; round <= Rounds; round++)
        {
            await Eventually.InTimeAsync(Eventually.OneRequest, clock => PlayAsync(isPaid: round % 3 != 0, clock));
        }

        await Assert.That(proxy.Cuts).IsGreaterThan(Rounds);
        await ExpectEachHasAsync(fleet, users: Rounds, seats: 1);
        await fleet.VerifyAsync();

        async Task PlayAsync(bool isPaid, Stopwatch clock)
        {
            var user = await fleet.NewVisitorAsync(show);
            user.Api = behind.Api;
            var (chargeKey, payKey) = (Visitor.NewKey(), Visitor.NewKey());
            seat++;

            var charge = (await WhileLosingAsync(proxy, clock, () => user.ChargeAsync(show.Price, chargeKey))).Expect(201);
            await Assert.That(charge.Header("Idempotency-Replayed")).IsNull();
            var reservation = (await WhileLosingAsync(proxy, clock, () => user.HoldAsync(show, seat))).Expect(201).Value("reservationId");
            if (!isPaid)
            {
                (await WhileLosingAsync(proxy, clock, () => user.ReleaseAsync(reservation))).Expect(204);
                await Assert.That(await user.BalanceAsync()).IsEqualTo(show.Price);
                return;
            }

            var pay = (await WhileLosingAsync(proxy, clock, () => user.PayAsync(reservation, payKey))).Expect(201);
            await Assert.That(pay.Header("Idempotency-Replayed")).IsNull();
            await Assert.That(await user.BalanceAsync()).IsEqualTo(0);
            (await user.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
        }
    }

    /// <summary>
    /// The service finds by the key what it did, rather than other seats; to the caller it is the first answer.
    /// </summary>
    [Test]
    public async Task HoldBest_AnswerOfMySqlLost_HappensOnce()
    {
        const int Rounds = 20;
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var behind = await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(fleet.Database)));
        var show = await fleet.Catalogue.AddShowAsync(10 * Rounds);
        for (var round = 1; round <= Rounds; round++)
        {
            await Eventually.InTimeAsync(Eventually.OneRequest, async clock =>
            {
                var user = await fleet.NewVisitorAsync(show);
                user.Api = behind.Api;
                var key = Visitor.NewKey();

                var held = (await WhileLosingAsync(proxy, clock, () => user.HoldBestAsync(show, """{"count":3}""", key))).Expect(201);

                await Assert.That(held.Header("Idempotency-Replayed")).IsNull();
                await Assert.That((await user.HoldBestAsync(show, """{"count":3}""", key)).Expect(201).Text).IsEqualTo(held.Text);
            });
        }

        await Assert.That(proxy.Cuts).IsGreaterThan(Rounds / 2);
        await ExpectEachHasAsync(fleet, users: Rounds, seats: 3);
        await fleet.VerifyAsync();
    }

    /// <summary>
    /// An addition to the catalogue has no key by which a repeat could be known: the service does not repeat it, and
    /// says that it does not know. The table's lock holds the INSERT until its answer is sure to be lost.
    /// </summary>
    [Test]
    public Task AddConcert_AnswerOfMySqlLost_IsNotRepeated() => Eventually.InTimeAsync(Eventually.HalfARequest, async clock =>
    {
        await using var proxy = TcpProxy.OfMySql(Rig.Database.ConnectionString);
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var behind = await fleet.AddAsync((MySqlServers.Setting, proxy.InPlaceOf(fleet.Database)));
        var admin = fleet.Admin;
        admin.Api = behind.Api;
        await using var keeper = await fleet.Database.OpenAsync();
        await using var command = new MySqlCommand("LOCK TABLES concert READ", keeper);
        await command.ExecuteNonQueryAsync();

        clock.Start();
        var adding = admin.PostAsync("/v1/admin/concerts", """{"title":"Once"}""");
        var connection = await Eventually.GetAsync(
            async () => adding.IsCompleted ? -1 : await fleet.Database.ScalarAsync<long>(
                "SELECT COALESCE(MAX(id), 0) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%' "
                    + "AND info LIKE 'INSERT INTO concert%'"),
            static id => id != 0);
        proxy.LoseAnswers = true;
        command.CommandText = "UNLOCK TABLES";
        await command.ExecuteNonQueryAsync();
        clock.Stop();
        await Eventually.TrueAsync(async () => await fleet.Database.ScalarAsync<long>(
            $"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {connection}") == 0); // cut in place of the answer
        proxy.LoseAnswers = false;
        var reply = await adding;

        reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM concert WHERE title = 'Once'")).IsEqualTo(1);
    });

    /// <summary>No repeat made a reservation of its own. A scene that was played again may have left a user more.</summary>
    private static async Task ExpectEachHasAsync(Fleet fleet, int users, int seats)
    {
        await Assert.That(await CountAsync("=")).IsGreaterThanOrEqualTo(users);
        await Assert.That(await CountAsync("<>")).IsEqualTo(0);

        Task<long> CountAsync(string comparison) => fleet.Database.ScalarAsync<long>(
            $"SELECT COUNT(*) FROM (SELECT user_id FROM reservation GROUP BY user_id HAVING COUNT(*) {comparison} {seats}) users");
    }

    /// <summary>An answer of MySQL does not get through; repeats of the service come until one does.</summary>
    /// <param name="clock">Measures the request.</param>
    private static async Task<Reply> WhileLosingAsync(TcpProxy proxy, Stopwatch clock, Func<Task<Reply>> send)
    {
        clock.Restart();
        proxy.LoseAnswers = true;
        var cuts = proxy.Cuts;
        var call = send();
        await Eventually.TrueAsync(() => proxy.Cuts > cuts);
        proxy.LoseAnswers = false;
        var reply = await call;
        clock.Stop();
        return reply;
    }

    private static async Task<Reply?> OrCutAsync(Func<Task<Reply>> send)
    {
        try
        {
            return await send();
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static Api Through(TcpProxy proxy) => new(new Uri($"http://127.0.0.1:{proxy.Port}"));
}
