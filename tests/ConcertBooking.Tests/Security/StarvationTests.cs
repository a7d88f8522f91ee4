using System.Net;
using System.Net.Sockets;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Security;

/// <summary>One user or one address that takes all it can get leaves the others theirs.</summary>
public sealed class StarvationTests : SharedRigTests
{
    private const int Pool = 4;

    /// <summary>One user's writes wait for their own row; before there was a limit, each of them waited with a connection.</summary>
    [Test]
    [Arguments("charge")]
    [Arguments("hold")]
    [Arguments("pay")]
    [Arguments("release")]
    public Task Writes_ManyOfOneUserAtOnce_LeaveConnectionsToOthers(string write) => Eventually.InTimeAsync(
        Eventually.OneRequest, async clock =>
    {
        await using var service = await StartAloneAsync();
        var show = await service.Catalogue.AddShowAsync(seats: 100);
        var greedy = await Rig.NewVisitor(service).AdmittedAsync(show);
        (await greedy.ChargeAsync(show.Price)).Expect(201);
        var reservation = await greedy.HeldAsync(show);
        var others = new List<Visitor>();
        for (var number = 0; number < Pool; number++)
        {
            others.Add(await Rig.NewVisitor(service).AdmittedAsync(show));
        }

        await using var connection = await service.Database.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var lockRow = new MySqlCommand(
            "SELECT balance FROM user_point_balance WHERE user_id = @user FOR UPDATE", connection, transaction))
        {
            lockRow.Parameters.AddWithValue("@user", greedy.UserId);
            await lockRow.ExecuteScalarAsync();
            // by its key: no gaps are locked
            lockRow.CommandText = "SELECT status FROM reservation WHERE reservation_id = @reservation FOR UPDATE";
            lockRow.Parameters.AddWithValue("@reservation", Guid.Parse(reservation));
            await lockRow.ExecuteScalarAsync();
        }

        clock.Start();
        var stuck = Rush.AllAtOnceAsync(50, number => write switch
        {
            "charge" => greedy.ChargeAsync(1),
            "hold" => greedy.HoldAsync(show, 2 + number),
            "pay" => greedy.PayAsync(reservation),
            _ => greedy.ReleaseAsync(reservation),
        });
        foreach (var (index, other) in others.Index())
        {
            (await other.HoldAsync(show, 90 + index)).Expect(201);
        }

        clock.Stop();
        await transaction.RollbackAsync();

        foreach (var reply in await stuck)
        {
            await Assert.That(reply.Status).IsNotEqualTo(500).Because(reply.ToString());
        }

        (await greedy.ChargeAsync(1)).Expect(201);
    });

    /// <summary>Whoever is not admitted is due a stored answer at most, and those are looked up together.</summary>
    [Test]
    public Task Payments_OfThoseWhoWait_TakeNoConnectionsFromThoseWhoAreIn() => Eventually.InTimeAsync(Eventually.OneRequest, async clock =>
    {
        await using var service = await StartAloneAsync();
        var show = await service.Catalogue.AddShowAsync(maxActive: 1);
        var admitted = await Rig.NewVisitor(service).AdmittedAsync(show);
        var waiting = Enumerable.Range(0, 30).Select(_ => Rig.NewVisitor(service)).ToArray();
        foreach (var visitor in waiting)
        {
            await Assert.That((await visitor.EnteredAsync(show.Queue)).Value("status")).IsEqualTo("WAITING");
        }

        await using var connection = await service.Database.OpenAsync();
        await using var command = new MySqlCommand("LOCK TABLES idempotency WRITE", connection);
        await command.ExecuteNonQueryAsync();

        clock.Start();
        var refused = Rush.AllAtOnceAsync(waiting, static visitor => visitor.PayAsync(Guid.NewGuid().ToString()));
        for (var seat = 1; seat <= 4; seat++)
        {
            (await admitted.HoldAsync(show, seat)).Expect(201);
        }

        clock.Stop();
        command.CommandText = "UNLOCK TABLES";
        await command.ExecuteNonQueryAsync();

        foreach (var reply in await refused)
        {
            await Assert.That(reply.Code).IsEqualTo("queue_token_not_active").Or.IsEqualTo("database_unavailable");
        }
    });

    [Test]
    public async Task Payment_OfOneWhoWaitsAgain_RepeatsItsFirstAnswer()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        var buyer = await Rig.NewVisitorAsync(show, points: show.Price);
        var key = Visitor.NewKey();
        var reservation = await buyer.HeldAsync(show);
        var paid = (await buyer.PayAsync(reservation, key)).Expect(201);
        await Rig.NewVisitorAsync(show);
        await Assert.That((await buyer.EnteredAsync(show.Queue)).Value("status")).IsEqualTo("WAITING");

        var repeat = (await buyer.PayAsync(reservation, key)).Expect(201);

        await Assert.That(repeat.Text).IsEqualTo(paid.Text);
        await Assert.That(repeat.Header("Idempotency-Replayed")).IsEqualTo("true");
        (await buyer.PayAsync(Guid.NewGuid().ToString(), key)).ExpectProblem(422, "idempotency_key_reused");
        (await buyer.PayAsync(Guid.NewGuid().ToString())).ExpectProblem(403, "queue_token_not_active");
    }

    [Test]
    public async Task Connections_SilentFromOneAddress_LockNobodyOut_AndAreClosed()
    {
        const int Limit = 40;
        await using var service = await Rig.StartAsync(new Dictionary<string, string?> { ["Limits__MaxConnections"] = $"{Limit}" });
        var silent = new List<Socket>();
        try
        {
            for (var number = 0; number < Limit; number++)
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                silent.Add(socket);
                socket.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
                try
                {
                    await socket.ConnectAsync(service.Api.Address.Host, service.Api.Address.Port);
                }
                catch (SocketException refused) when (refused.SocketErrorCode == SocketError.ConnectionReset)
                {
                    // Beyond the share, and closed before the call was back.
                }
            }

            for (var number = 0; number < 5; number++)
            {
                await Assert.That(RawRequest.Status(await RawRequest.SendAsync(
                    service.Api, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))).IsEqualTo(200);
            }
            using var closed = new CancellationTokenSource(TimeSpan.FromSeconds(30)); // by then, not after two minutes
            foreach (var socket in silent.Where(static socket => socket.Connected))
            {
                try
                {
                    await Assert.That(await socket.ReceiveAsync(new byte[1], closed.Token)).IsEqualTo(0);
                }
                catch (SocketException reset)
                {
                    await Assert.That(reset.SocketErrorCode).IsEqualTo(SocketError.ConnectionReset);
                }
            }
        }
        finally
        {
            silent.ForEach(static socket => socket.Dispose());
        }
    }

    /// <summary>Verified tokens are remembered; how long they are is their sender's choice.</summary>
    [Test]
    public async Task AccessTokens_LongOnes_FillNoMemory()
    {
        const int Tokens = 3_000;
        await using var service = await Rig.StartAsync();
        var padding = new string('x', 6_000); // 8 KB in base64
        async Task AskAsync(int count) => await Parallel.ForAsync(
            0, count, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (_, _) => (await AskOnceAsync(padding)).Expect(200));
        Task<Reply> AskOnceAsync(string padding)
        {
            var userId = UserIds.Next();
            return new Visitor(service.Api, userId, AccessTokens.Sign(
                Rig.SigningKey, AccessTokens.Hs256,
                $$"""{"sub":"{{userId}}","exp":{{AccessTokens.InSeconds(3600)}},"padding":"{{padding}}"}""")).GetAsync("/v1/points");
        }
        (await AskOnceAsync(padding + padding[..200])).ExpectProblem(401, "unauthorized"); // 8 KiB is the most
        await AskAsync(200);
        var before = service.Process.ResidentMegabytes;

        await AskAsync(Tokens);

        // In UTF-16 they would be 48 MB.
        await Assert.That(service.Process.ResidentMegabytes - before).IsLessThan(30);
    }

    private Task<LoneInstance> StartAloneAsync() => Rig.StartAloneAsync(new Dictionary<string, string?>
    {
        ["Database__MaxPoolSize"] = $"{Pool}",
        ["ConnectionStrings__Kafka"] = null,
    });
}
