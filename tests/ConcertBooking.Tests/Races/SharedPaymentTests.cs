using System.Text.Json;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>Payments in shared transactions: no member spoils, delays or swaps the answer of another.</summary>
[NotInParallel]
public sealed class SharedPaymentTests : SharedRigTests
{
    private const int Price = 100, Points = 1_000;

    [Test]
    public async Task Pay_CrowdWithEveryRefusal_EachItsOwnAnswer()
    {
        await using var alone = await Rig.StartAloneAsync();
        var show = await alone.Catalogue.AddShowAsync(seats: 100, price: Price);
        var calls = new List<Func<Task>>();

        for (var seat = 1; seat <= 12; seat++)
        {
            var user = await NewVisitorAsync(Points);
            var reservation = await user.HeldAsync(show, seat);
            calls.Add(() => PayAsync(user, key => user.PayAsync(reservation, key), Price));
        }

        for (var first = 13; first <= 34; first += 3)
        {
            var user = await NewVisitorAsync(Points);
            var booking = await user.HeldTogetherAsync(show, first, first + 1, first + 2);
            calls.Add(() => PayAsync(user, key => user.PayBookingAsync(booking, key), 3 * Price));
        }

        var several = await NewVisitorAsync(Points); // names one reservation of several
        var named = (await several.HoldTogetherAsync(show, 41, 42)).Expect(201).ReservationOf(42);
        calls.Add(() => PayAsync(several, key => several.PayAsync(named, key), 2 * Price));

        var poor = await NewVisitorAsync(Price);
        var dear = await poor.HeldTogetherAsync(show, 43, 44);
        calls.Add(() => RefusedAsync(poor, key => poor.PayBookingAsync(dear, key), 402, "insufficient_points", Price));

        var late = await NewVisitorAsync(Points);
        var over = await late.HeldAsync(show, 45);
        var other = await late.HeldAsync(show, 46); // so that the place stays
        await alone.Database.LetHoldPassAsync(over);
        calls.Add(() => RefusedAsync(late, key => late.PayAsync(over, key), 410, "hold_expired", Points));

        var thief = await NewVisitorAsync(Points);
        await thief.HeldAsync(show, 47);
        calls.Add(() => RefusedAsync(thief, key => thief.PayAsync(other, key), 404, "reservation_not_found", Points));

        var again = await NewVisitorAsync(Points);
        var (paid, usedKey) = (await again.HeldAsync(show, 48), Visitor.NewKey());
        var unpaid = await again.HeldAsync(show, 49);
        var first201 = (await again.PayAsync(paid, usedKey)).Expect(201);
        calls.Add(async () => await Assert.That((await AnsweredAsync(() => again.PayAsync(paid, usedKey))).Expect(201).Body)
            .IsEquivalentTo(first201.Body));
        calls.Add(async () => (await AnsweredAsync(() => again.PayAsync(paid))).ExpectProblem(409, "already_paid"));

        var reuser = await NewVisitorAsync(Points);
        var (one, two, sameKey) = (await reuser.HeldAsync(show, 50), await reuser.HeldAsync(show, 51), Visitor.NewKey());
        await reuser.HeldAsync(show, 52);
        (await reuser.PayAsync(one, sameKey)).Expect(201);
        calls.Add(async () => (await AnsweredAsync(() => reuser.PayAsync(two, sameKey))).ExpectProblem(422, "idempotency_key_reused"));

        await Rush.AllAtOnceAsync(calls.Count, async number =>
        {
            await calls[number]();
            return true;
        });

        await Assert.That(await alone.Database.ScalarAsync<decimal>(
            "SELECT SUM(amount) FROM payment")).IsEqualTo(Price * (12 + (8 * 3) + 2 + 1 + 1));
        await Assert.That((await again.ReservationAsync(unpaid)).Value("status")).IsEqualTo("HELD");
        await Assert.That(await SharedHoldTests.SharedAsync(alone, "pay")).IsGreaterThan(0);
        await Rig.VerifyAsync(alone.Database.Settings);

        Task<Visitor> NewVisitorAsync(long points) => Rig.NewVisitor(alone).AdmittedAsync(show, points);
    }

    [Test]
    public async Task Pay_OneSeatOfABookingLocked_OthersAreServedMeanwhile()
    {
        await using var alone = await Rig.StartAloneAsync();
        var show = await alone.Catalogue.AddShowAsync(seats: 60, price: Price);
        var users = await Task.WhenAll(Enumerable.Range(0, 41).Select(_ => Rig.NewVisitor(alone).AdmittedAsync(show, Points)));
        var bookings = new List<string>();
        foreach (var (number, user) in users.Index())
        {
            bookings.Add(await user.HeldTogetherAsync(show, number == 40 ? [58, 59] : [number + 1]));
        }

        var slowKey = Visitor.NewKey();
        await using var seatLock = await alone.Database.LockReservationAsync(show, 59);
        var slow = AnsweredAsync(() => users[40].PayBookingAsync(bookings[40], slowKey));

        // As long as the row is locked: nobody's answer waits for it, and no part of that booking is paid.
        await Rush.AllAtOnceAsync(40, async number =>
        {
            await PayAsync(users[number], key => users[number].PayBookingAsync(bookings[number], key), Price);
            return true;
        });

        await Assert.That(slow.IsCompleted).IsFalse();
        await Assert.That(await users[40].BalanceAsync()).IsEqualTo(Points);
        await seatLock.DisposeAsync();
        await Assert.That((await slow).Expect(201).Number("amount")).IsEqualTo(2 * Price);
        await Rig.VerifyAsync(alone.Database.Settings);
    }

    [Test]
    public async Task Pay_CrowdInAHallOfOddNames_EventsHaveTheSeatsOfTheirOwnBooking()
    {
        const string Odd = SharedHoldTests.Odd;
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { [KafkaServers.Setting] = null });
        var odd = JsonEncodedText.Encode(Odd);
        var show = await alone.Catalogue.AddHallShowAsync(
            $$"""{"name":"h","sections":[{"section":"{{odd}}","grade":"{{odd}}","rows":[{"row":"{{odd}}","seats":100}]}]}""",
            $$"""{"{{odd}}":{{Price}}}""");
        var users = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => Rig.NewVisitor(alone).AdmittedAsync(show, Points)));
        var bookings = new List<string>();
        foreach (var (number, user) in users.Index())
        {
            bookings.Add(await user.HeldTogetherAsync(show, Enumerable.Range((3 * number) + 1, 1 + (number % 3)).ToList()));
        }

        await Rush.AllAtOnceAsync(users.Length, async number =>
        {
            var key = $"\"\\{{[,'%{Visitor.NewKey()}";
            var pay = () => users[number].PayBookingAsync(bookings[number], key);
            var paid = (await AnsweredAsync(pay)).Expect(201);
            await Assert.That((await pay()).Expect(201).Body).IsEquivalentTo(paid.Body);
            return true;
        });

        foreach (var (number, user) in users.Index())
        {
            var booking = (await user.BookingAsync(bookings[number])).Expect(200).Json;
            var published = await SharedHoldTests.ExpectEventAsync(alone, "payment.completed.v2", user, show, booking);
            await Assert.That(SharedHoldTests.SeatsOf(published)).Contains(Odd);
            await Assert.That(published.Number("amount")).IsEqualTo(Price * (1 + (number % 3)));
        }

        await Assert.That(await SharedHoldTests.SharedAsync(alone, "pay")).IsGreaterThan(0);
        await Rig.VerifyAsync(alone.Database.Settings);
    }

    private static Task<Reply> AnsweredAsync(Func<Task<Reply>> request) => Eventually.AnsweredAsync(request);

    /// <summary>Pays; the answer is about what this user bought, and so is the balance.</summary>
    private static async Task PayAsync(Visitor user, Func<string, Task<Reply>> pay, long amount)
    {
        var key = Visitor.NewKey();
        var reply = (await AnsweredAsync(() => pay(key))).Expect(201);
        await Assert.That(reply.Number("amount")).IsEqualTo(amount);
        await Assert.That(reply.Number("balance")).IsEqualTo(Points - amount);
        await Assert.That(await user.BalanceAsync()).IsEqualTo(Points - amount);
        (await user.GetAsync($"/v1/payments/{reply.Value("paymentId")}")).Expect(200);
        await Assert.That((await user.BookingAsync(reply.Value("bookingId"))).Expect(200).Value("status")).IsEqualTo("CONFIRMED");
    }

    private static async Task RefusedAsync(Visitor user, Func<string, Task<Reply>> pay, int status, string code, long balance)
    {
        var key = Visitor.NewKey();
        (await AnsweredAsync(() => pay(key))).ExpectProblem(status, code);
        await Assert.That(await user.BalanceAsync()).IsEqualTo(balance);
    }
}
