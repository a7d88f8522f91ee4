using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>SIGTERM: readiness fails first, every request that was accepted gets its whole answer, then the process ends.</summary>
public sealed class Shutdown : RedisFaultTests
{
    /// <summary>Long enough that readiness is seen to fail on any machine.</summary>
    private static readonly (string, string?) Drain = ("Drain__Seconds", "15");

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15) + Eventually.Promised(seconds: 10);

    [Test, Category("Long"), Explicit]
    public async Task Sigterm_UnderFullLoad_LosesNoRequest()
    {
        const int Senders = 32;
        await using var fleet = await Fleet.StartAsync(Rig, 2, Drain);
        using var stop = new CancellationTokenSource();
        var (leaving, staying) = (fleet.Members[0], fleet.Members[1]);
        var target = leaving;
        var lost = new ConcurrentQueue<string>();
        var charged = 0;
        var senders = Enumerable.Range(0, Senders).Select(async _ =>
        {
            while (!stop.IsCancellationRequested)
            {
                var (user, key) = (fleet.NewVisitor(), Visitor.NewKey());
                try
                {
                    var reply = await Eventually.AnsweredAsync(() =>
                    {
                        user.Api = target.Api;
                        return user.ChargeAsync(10, key);
                    });
                    if (reply.Status != 201)
                    {
                        lost.Enqueue(reply.ToString());
                    }

                    Interlocked.Increment(ref charged);
                }
                catch (HttpRequestException exception)
                {
                    lost.Enqueue(exception.ToString());
                }
            }
        }).ToArray();
        await Eventually.TrueAsync(() => charged > 500);

        leaving.Instance.Process.Signal(PosixSignal.SIGTERM);
        // What a load balancer does: it looks every 100 ms and sends nothing more to whom is not ready.
        await Eventually.GetAsync(async () =>
        {
            await Task.Delay(75);
            return await leaving.Api.GetAsync("/readyz");
        }, ready => ready.Status == 503);
        await Assert.That(leaving.Runs).IsTrue();
        target = staying;
        var exitCode = await leaving.Instance.Process.WaitForExitAsync().WaitAsync(Limit);

        await Assert.That(exitCode).IsEqualTo(0);
        await stop.CancelAsync();
        await Task.WhenAll(senders);
        await Assert.That(lost).IsEmpty();
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM point_tx")).IsEqualTo(charged);
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task Sigterm_WhileReadinessFails_RequestsAreStillServed()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1, Drain);
        var leaving = fleet.Members[0];

        leaving.Instance.Process.Signal(PosixSignal.SIGTERM);
        await Eventually.GetAsync(() => leaving.Api.GetAsync("/readyz"), ready => ready.Status == 503);

        (await fleet.NewVisitor().ChargeAsync(10)).Expect(201);
        await Assert.That((await leaving.Api.GetAsync("/livez")).Status).IsEqualTo(200);
        await Assert.That(await leaving.Instance.Process.WaitForExitAsync().WaitAsync(Limit)).IsEqualTo(0);
        await fleet.VerifyAsync();
    }

    [Test]
    public Task Sigterm_WithARequestThatWaitsForALock_AnswersIt() => Eventually.InTimeAsync(TimeSpan.FromSeconds(2), async drain =>
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var user = fleet.NewVisitor();
        (await user.ChargeAsync(10)).Expect(201);
        await using var connection = await fleet.Database.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var balance = new MySqlCommand(
            "SELECT balance FROM user_point_balance WHERE user_id = @user FOR UPDATE", connection, transaction))
        {
            balance.Parameters.AddWithValue("@user", user.UserId);
            await balance.ExecuteScalarAsync();
        }
        var process = fleet.Members[0].Instance.Process;
        drain.Start();
        process.Signal(PosixSignal.SIGTERM);
        await Eventually.GetAsync(() => user.Api.GetAsync("/readyz"), ready => ready.Status == 503);

        // Accepted while readiness fails, still waiting when the instance stops accepting.
        await Task.Delay(TimeSpan.FromSeconds(1));
        using var client = new TcpClient();
        await client.ConnectAsync(user.Api.Address.Host, user.Api.Address.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/points/charges HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {user.AccessToken}\r\nIdempotency-Key: k\r\n"
            + "Connection: close\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"amount\":5}"));
        drain.Stop();
        var waiting = Stopwatch.StartNew();
        await Eventually.TrueAsync(() => IsRefusedAsync(user.Api));
        await transaction.RollbackAsync();
        var isInTime = waiting.Elapsed < Eventually.OneRequest;

        using var reader = new StreamReader(stream);
        var answer = await reader.ReadToEndAsync();
        await Assert.That(RawRequest.Status(answer)).IsIn(isInTime ? [201] : [201, 503]).Because(answer);
        await Assert.That(answer).Contains(RawRequest.Status(answer) == 201 ? "\"balance\":15" : "database_unavailable");
        await Assert.That(await process.WaitForExitAsync().WaitAsync(Limit)).IsEqualTo(0);
        await Assert.That(await fleet.Database.ScalarAsync<long>(
            "SELECT balance FROM user_point_balance WHERE user_id = @user", ("@user", user.UserId))).IsIn(isInTime ? [15] : [10L, 15]);
        await fleet.VerifyAsync();
    });

    private static async Task<bool> IsRefusedAsync(Api api)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", api.Address.Port);
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    }
}
