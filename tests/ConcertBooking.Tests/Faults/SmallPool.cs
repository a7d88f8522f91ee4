using System.Diagnostics;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Faults;

/// <summary>Ten connections for everybody: some wait, some hear 503, nobody hangs.</summary>
public sealed class SmallPool : FaultTests
{
    private const int Pool = 10;

    private static readonly TimeSpan Promise = Eventually.Promised(seconds: 2);

    [Test]
    public async Task PayersAndHolders_ManyMoreThanConnections_AllAreAnswered()
    {
        const int Payers = 40;
        const int Holders = 200;
        await using var fleet = await StartAsync();
        var show = await fleet.Catalogue.AddShowAsync(Payers + 20);
        var payers = new List<(Visitor User, string Reservation)>();
        for (var seat = 1; seat <= Payers; seat++)
        {
            var payer = await fleet.NewVisitorAsync(show, points: show.Price);
            payers.Add((payer, await payer.HeldAsync(show, seat)));
        }
        var holders = new List<Visitor>();
        for (var number = 0; number < Holders; number++)
        {
            holders.Add(await fleet.NewVisitorAsync(show));
        }

        var since = Stopwatch.GetTimestamp();
        var replies = await Rush.AllAtOnceAsync(Payers + Holders, number => number < Payers
            ? payers[number].User.PayAsync(payers[number].Reservation)
            : holders[number - Payers].HoldAsync(show, Payers + 1 + (number % 20)));

        await Assert.That(Stopwatch.GetElapsedTime(since)).IsLessThan(2 * Promise);
        foreach (var reply in replies.Where(reply => reply.Status >= 500))
        {
            reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
        }

        foreach (var reply in replies[Payers..].Where(reply => reply.Status is not (201 or 503)))
        {
            reply.ExpectProblem(409, "seat_taken");
        }

        foreach (var reply in replies[..Payers].Where(reply => reply.Status != 503))
        {
            reply.Expect(201);
        }

        var paid = replies[..Payers].Count(reply => reply.Status == 201);
        var held = replies[Payers..].Count(reply => reply.Status == 201);
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM payment")).IsEqualTo(paid);
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM reservation WHERE status = 'HELD'"))
            .IsEqualTo(Payers - paid + held);
        await fleet.VerifyAsync();
    }

    [Test]
    public async Task AllConnectionsStuck_OthersGet503InTime_AndItRecovers()
    {
        await using var fleet = await StartAsync();
        var stuck = new List<Visitor>();
        for (var number = 0; number < Pool; number++)
        {
            stuck.Add(fleet.NewVisitor());
            (await stuck[number].ChargeAsync(1)).Expect(201);
        }
        await using var connection = await fleet.Database.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var lockAll = new MySqlCommand("SELECT COUNT(balance) FROM user_point_balance FOR UPDATE", connection, transaction))
        {
            await lockAll.ExecuteScalarAsync();
        }

        var waiting = stuck.Select(user => Eventually.AnsweredAsync(async () =>
        {
            var reply = await user.ChargeAsync(1);
            if (reply.Status != 201)
            {
                reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            }

            return reply;
        })).ToArray();
        await fleet.Database.ExpectWaitingAsync(Pool);

        var replies = await Rush.AllAtOnceAsync(100, async number =>
        {
            var since = Stopwatch.StartNew();
            var reply = number % 2 == 0 ? await fleet.NewVisitor().ChargeAsync(1) : await fleet.NewVisitor().GetAsync("/v1/points");
            return (Reply: reply, Took: since.Elapsed);
        });
        await Assert.That((await fleet[0].GetAsync("/readyz")).Status).IsEqualTo(200);
        await transaction.RollbackAsync();

        foreach (var (reply, took) in replies)
        {
            if (reply.Status is not (200 or 201))
            {
                reply.ExpectProblem(503, "database_unavailable").ExpectRetryAfter();
            }

            await Assert.That(took).IsLessThan(Promise);
        }
        // A read may come through, once a stuck charge has been given up.
        await Assert.That(replies.Where((_, number) => number % 2 == 0).All(answer => answer.Reply.Status == 503)).IsTrue();
        foreach (var reply in await Task.WhenAll(waiting))
        {
            reply.Expect(201);
        }

        (await fleet.NewVisitor().ChargeAsync(1)).Expect(201);
        await fleet.VerifyAsync();
    }

    private Task<Fleet> StartAsync() => Fleet.StartAsync(Rig, 1, ("Database__MaxPoolSize", $"{Pool}"));
}
