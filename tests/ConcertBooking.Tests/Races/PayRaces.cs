using System.Collections.Concurrent;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>Payments and charges that meet each other: a point is spent once.</summary>
[NotInParallel]
public sealed class PayRaces : SharedRigTests
{
    [Test]
    public async Task Pay_HundredTimesWithOneKey_OneDebit()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var user = await Rig.NewVisitorAsync(show, points: 3 * show.Price);
        var reservation = await user.HeldAsync(show);
        var key = Visitor.NewKey();

        var replies = await Rush.AllAnsweredAsync(100, number => PayAsync(user, reservation, key, number));

        var first = replies.Single(reply => reply.Status == 201 && reply.Header("Idempotency-Replayed") is null).Expect(201);
        foreach (var reply in replies.Where(reply => reply != first))
        {
            if (reply.Status == 201)
            {
                ExpectReplay(reply, first);
            }
            else
            {
                reply.ExpectProblem(409, "idempotency_key_in_use");
            }
        }
        await Assert.That(await Rig.Database.SpentAsync(user.UserId)).IsEqualTo((1, 1, show.Price));
        await Assert.That(await user.BalanceAsync()).IsEqualTo(2 * show.Price);
        ExpectReplay((await user.PayAsync(reservation, key)).Expect(201), first);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Charge_HundredTimesWithOneKey_OneCredit()
    {
        var user = Rig.NewVisitor();
        var key = Visitor.NewKey();

        var replies = await Rush.AllAnsweredAsync(100, number => Both(number).SendAsync(
            HttpMethod.Post, "/v1/points/charges", """{"amount":700}""", user.Bearer, ("Idempotency-Key", key)));

        var first = replies.Single(reply => reply.Status == 201 && reply.Header("Idempotency-Replayed") is null).Expect(201);
        foreach (var reply in replies.Where(reply => reply != first))
        {
            if (reply.Status == 201)
            {
                ExpectReplay(reply, first);
            }
            else
            {
                reply.ExpectProblem(409, "idempotency_key_in_use");
            }
        }
        await Assert.That(await user.BalanceAsync()).IsEqualTo(700);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Pay_SameKeyOtherBody_IsRefusedAlsoAtOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var user = await Rig.NewVisitorAsync(show, points: 3 * show.Price);
        var (one, other) = (await user.HeldAsync(show, 1), await user.HeldAsync(show, 2));
        var key = Visitor.NewKey();

        var replies = await Rush.AllAnsweredAsync(20, number => PayAsync(user, number % 4 < 2 ? one : other, key, number));

        var paid = replies.Where(reply => reply.Status == 201).ToArray();
        await Assert.That(paid.Select(reply => reply.Text).Distinct().Count()).IsEqualTo(1);
        foreach (var reply in replies.Where(reply => reply.Status != 201))
        {
            if (reply.Status != 422)
            {
                reply.ExpectProblem(409, "idempotency_key_in_use");
            }
        }
        var loser = paid[0].Value("reservationId") == one ? other : one;
        (await user.PayAsync(loser, key)).ExpectProblem(422, "idempotency_key_reused");
        await Assert.That(await Rig.Database.SpentAsync(user.UserId)).IsEqualTo((1, 1, show.Price));
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Pay_KeyOfAnotherUser_ReturnsNothingOfIt()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var key = Visitor.NewKey();
        var owner = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservation = await owner.HeldAsync(show);
        var paid = (await owner.PayAsync(reservation, key)).Expect(201);
        var stranger = await Rig.NewVisitorAsync(show, points: show.Price);

        // The same key and body from somebody else is a first request: of a reservation that is not theirs.
        var reply = (await stranger.PayAsync(reservation, key)).ExpectProblem(404, "reservation_not_found");

        await Assert.That(reply.Text).DoesNotContain(paid.Value("paymentId"));
        var own = (await stranger.PayAsync(await stranger.HeldAsync(show, 2), key)).Expect(201);
        await Assert.That(own.Header("Idempotency-Replayed")).IsNull();
        await Assert.That(await Rig.Database.SpentAsync(stranger.UserId)).IsEqualTo((1, 1, show.Price));
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Pay_OneReservationHundredKeys_OneDebit()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var user = await Rig.NewVisitorAsync(show, points: 3 * show.Price);
        var reservation = await user.HeldAsync(show);
        // A second hold keeps the queue token in use, so that every loser hears of the payment and not of its token.
        await user.HeldAsync(show, 2);

        var key = Visitor.NewKey();
        var replies = await Rush.AllAnsweredAsync(100, number => PayAsync(user, reservation, $"{key}-{number}", number));

        replies.ExpectOneWinner(409, "already_paid");
        await Assert.That(await Rig.Database.SpentAsync(user.UserId)).IsEqualTo((1, 1, show.Price));
        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM idempotency WHERE user_id = @user AND call_name = 'pay'", ("@user", user.UserId))).IsEqualTo(1);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Pay_TenReservationsBalanceForOne_OneIsPaid()
    {
        const int Seats = 10;
        var show = await Rig.Catalogue.AddShowAsync(Seats);
        await using var a = await Rig.StartAsync(new Dictionary<string, string?>
        {
            ["Holds__MaxPerUser"] = $"{Seats}",
            ["Purchases__MaxPerUser"] = "0",
        });
        var user = await Rig.NewVisitorAsync(show, points: show.Price);
        user.Api = a.Api;
        var reservations = new ConcurrentQueue<string>();
        for (var seat = 1; seat <= Seats; seat++)
        {
            reservations.Enqueue(await user.HeldAsync(show, seat));
        }

        var replies = await Rush.AllAnsweredAsync(
            reservations, reservation => PayAsync(user, reservation, reservation, (int)reservation[^1]));

        replies.ExpectOneWinner(402, "insufficient_points");
        await Assert.That(await user.BalanceAsync()).IsEqualTo(0);
        await Assert.That(await Rig.Database.SpentAsync(user.UserId)).IsEqualTo((1, 1, show.Price));
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task ChargeAndPay_OfOneUserAtOnce_EveryPointCounts()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 4, price: 1_000);
        var user = await Rig.NewVisitorAsync(show, points: 4_000);
        var reservations = new List<string>();
        for (var seat = 1; seat <= 4; seat++)
        {
            reservations.Add(await user.HeldAsync(show, seat));
        }

        var key = Visitor.NewKey();
        var replies = await Rush.AllAnsweredAsync(54, number => number < 4
            ? PayAsync(user, reservations[number], $"{key}-{number}", number)
            : Both(number).SendAsync(
                HttpMethod.Post, "/v1/points/charges", """{"amount":10}""", user.Bearer, ("Idempotency-Key", $"{key}-{number}")));

        await Assert.That(replies.Tally()).IsEqualTo("54 × 201");
        await Assert.That(await user.BalanceAsync()).IsEqualTo(500);
        // Each answer has the balance as it was after its own change: no two of the charges may have the same.
        var balances = replies.Skip(4).Select(reply => reply.Number("balance")).ToArray();
        await Assert.That(balances.Distinct().Count()).IsEqualTo(balances.Length);
        await Rig.VerifyAsync();
    }

    private static void ExpectReplay(Reply reply, Reply first)
    {
        if (reply.Header("Idempotency-Replayed") != "true" || !reply.Body.AsSpan().SequenceEqual(first.Body))
        {
            Assert.Fail($"Expected the first answer again:\n{first}\nbut got:\n{reply}");
        }
    }

    private Task<Reply> PayAsync(Visitor user, string reservation, string key, int number) => Both(number).SendAsync(
        HttpMethod.Post, "/v1/payments", $$"""{"reservationId":"{{reservation}}"}""", user.InQueue(("Idempotency-Key", key)));

    private Api Both(int number) => (number % 2 == 0 ? Rig.A : Rig.B).Api;
}
