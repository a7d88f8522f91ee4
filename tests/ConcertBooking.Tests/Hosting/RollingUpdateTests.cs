using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Hosting;

/// <summary>
/// Two instances behind nginx under traffic: exchanged one after the other, nobody notices; killed, nobody pays twice. The
/// native ones: nginx sends to an instance as soon as it listens, and the first calls of a just-in-time compiler may take
/// longer than Redis is waited for.
/// </summary>
[Category("Long"), Explicit, NotInParallel]
public sealed partial class RollingUpdateTests : SharedRigTests
{
    private const int Seats = 50_000;
    [Test]
    public async Task Update_OneAfterTheOther_NoRequestFails()
    {
        const string Old = "300", New = "600";
        await using var fleet = await Fleet.StartAsync(Rig, 2, ("Holds__Seconds", Old));
        await using var nginx = await Nginx.StartAsync(fleet[0], fleet[1]);
        await using var traffic = await StartTrafficAsync(fleet, nginx, await AddShowAsync(fleet));

        var updated = new List<Fleet.Member>();
        foreach (var leaving in fleet.Members.ToArray())
        {
            var process = leaving.Instance.Process;
            process.Signal(PosixSignal.SIGTERM);
            await Assert.That(await process.WaitForExitAsync().WaitAsync(Eventually.Patience)).IsEqualTo(0);
            await ExpectMoreAsync(traffic);
            // Where nginx knows the old one to be.
            updated.Add(await fleet.AddAsync(
                ("ASPNETCORE_URLS", process.Address.GetLeftPart(UriPartial.Authority)),
                ("Management__Port", $"{process.ManagementAddress.Port}"),
                ("Holds__Seconds", New)));
            await ExpectPaymentsAtAsync(updated[^1]);
        }

        await ExpectMoreAsync(traffic);
        var failures = await traffic.StopAsync();
        await Assert.That(failures).IsEmpty();
        foreach (var member in updated)
        {
            await Assert.That(await HoldSecondsAsync(fleet, member)).IsGreaterThan(int.Parse(Old));
        }

        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM payment")).IsEqualTo(traffic.Paid + 1);
        await fleet.VerifyAsync();
        TestContext.Current!.Output.WriteLine($"{traffic.Answers} answers, {traffic.Paid} payments, {failures.Count} failures");
    }

    /// <summary>
    /// In the moment of the kill every kind of call is under way at both instances. What may be repeated nginx repeats,
    /// so only who made a concert hears of it.
    /// </summary>
    [Test]
    public async Task Kill_OneOfTwo_OnlyWhatMayBeRepeatedIsAndChargedOnce()
    {
        const int AtOnce = 8;
        await using var fleet = await Fleet.StartAsync(Rig, 2);
        await using var nginx = await Nginx.StartAsync(fleet[0], fleet[1]);
        var show = await AddShowAsync(fleet);
        await using var traffic = await StartTrafficAsync(fleet, nginx, show);
        var payers = await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
        {
            var visitor = traffic.NewVisitor();
            await visitor.EnteredAsync(show.Queue);
            (await visitor.ChargeAsync(2 * show.Price)).Expect(201);
            return (Visitor: visitor, ReservationId: await visitor.HeldAsync(show, traffic.NextSeat()), Key: Visitor.NewKey());
        }));
        var admin = fleet.Admin;
        admin.Api = nginx.Api;

        await using var blocker = await fleet.Database.OpenAsync();
        var transaction = await blocker.BeginTransactionAsync();
        await LockAsync(
            transaction,
            "SELECT balance FROM user_point_balance WHERE user_id IN "
                + $"({string.Join(',', payers.Select(payer => payer.Visitor.UserId))}) FOR UPDATE");
        await LockAsync(transaction, "SELECT concert_id FROM concert FOR UPDATE"); // the gap behind the last as well
        var payments = payers.Select(payer => payer.Visitor.PayAsync(payer.ReservationId, payer.Key)).ToArray();
        var creations = Enumerable.Range(0, AtOnce)
            .Select(number => admin.PostAsync("/v1/admin/concerts", $$"""{"title":"made {{number}}","queue":"main"}""")).ToArray();
        await fleet.Database.ExpectWaitingAsync(2 * AtOnce);
        await fleet.Members[0].KillAsync();
        await transaction.RollbackAsync();

        var made = await Task.WhenAll(creations);
        await Assert.That(made.Select(reply => reply.Status).Except([201, 502, 504])).IsEmpty();
        await Assert.That(made.Count(reply => reply.Status != 201)).IsBetween(1, AtOnce - 1);
        await Assert.That(
            await fleet.Database.ScalarAsync<long>(
                "SELECT COUNT(*) - COUNT(DISTINCT title) FROM concert WHERE title LIKE 'made %'")).IsEqualTo(0);
        var paid = await Task.WhenAll(payments);
        foreach (var (reply, payer) in paid.Zip(payers))
        {
            var again = (await payer.Visitor.PayAsync(payer.ReservationId, payer.Key)).Expect(201);
            await Assert.That(again.Header("Idempotency-Replayed")).IsEqualTo("true");
            await Assert.That(again.Text).IsEqualTo(reply.Expect(201).Text);
            await Assert.That(await payer.Visitor.BalanceAsync()).IsEqualTo(show.Price);
        }
        await ExpectMoreAsync(traffic);
        await fleet.Members[0].StartAsync();
        await ExpectPaymentsAtAsync(fleet.Members[0]);
        var failures = await traffic.StopAsync();
        await Assert.That(failures).IsEmpty();
        await Assert.That(await fleet.Database.ScalarAsync<long>("SELECT COUNT(*) FROM payment")).IsEqualTo(traffic.Paid + AtOnce + 1);
        await fleet.VerifyAsync();
        TestContext.Current!.Output.WriteLine(
            $"{traffic.Answers} answers, {traffic.Paid} payments, {failures.Count} failures; "
                + $"{made.Count(reply => reply.Status != 201)} of {AtOnce} creations were not repeated");
    }

    private static async Task<Show> AddShowAsync(Fleet fleet)
    {
        var show = await fleet.Catalogue.AddShowAsync(Seats, price: 10);
        var first = await fleet.NewVisitorAsync(show, points: show.Price);
        (await first.PayAsync(await first.HeldAsync(show, Traffic.SoldSeat))).Expect(201);
        return show;
    }

    private static async Task<Traffic> StartTrafficAsync(Fleet fleet, Nginx nginx, Show show)
    {
        var traffic = new Traffic(fleet, nginx.Api, show);
        await ExpectMoreAsync(traffic);
        return traffic;
    }

    private static async Task ExpectMoreAsync(Traffic traffic)
    {
        var before = traffic.Paid;
        await Eventually.TrueAsync(() => traffic.Paid > before + 50);
    }

    /// <summary>nginx has found out that the instance is there.</summary>
    private static async Task ExpectPaymentsAtAsync(Fleet.Member member) => await Eventually.GetAsync(
        async () => (await member.Instance.Management.GetAsync("/metrics")).Text, static metrics => Payments().IsMatch(metrics));

    private static async Task<double> HoldSecondsAsync(Fleet fleet, Fleet.Member member)
    {
        var show = await fleet.Catalogue.AddShowAsync();
        var visitor = await fleet.NewVisitorAsync(show);
        visitor.Api = member.Api;
        return ((await visitor.HoldAsync(show)).Expect(201).Json.Moment("heldUntil") - TimeProvider.System.GetUtcNow()).TotalSeconds;
    }

    private static async Task LockAsync(MySqlTransaction transaction, string sql)
    {
        await using var command = new MySqlCommand(sql, transaction.Connection, transaction);
        await command.ExecuteScalarAsync();
    }

    [GeneratedRegex("""(?m)^booking_payments_total\{[^}]*result="paid"[^}]*\} [1-9]""")]
    private static partial Regex Payments();
}
