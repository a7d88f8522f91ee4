using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>Releases and charges in shared transactions: no member spoils, delays or swaps the answer of another.</summary>
[NotInParallel]
public sealed class SharedReleaseTests : SharedRigTests
{
    [Test]
    public async Task Release_CrowdWithEveryRefusal_EachItsOwnAnswer()
    {
        await using var alone = await Rig.StartAloneAsync();
        var show = await alone.Catalogue.AddShowAsync(seats: 100, price: 100);
        var calls = new List<Func<Task<Reply>>>();
        var expected = new List<(int Status, string? Code)>();

        for (var number = 0; number < 30; number++)
        {
            var user = await NewVisitorAsync();
            var booking = await user.HeldTogetherAsync(show, number % 3 == 0 ? [number + 1] : [number + 1, 100 - number]);
            Add(() => user.ReleaseBookingAsync(booking), 204, null);
        }

        var taker = await NewVisitorAsync(); // takes one seat out of a booking, whose other seat stays
        var rest = (await taker.HoldTogetherAsync(show, 41, 42)).Expect(201);
        Add(() => taker.ReleaseAsync(rest.ReservationOf(41)), 204, null);
        for (var seat = 50; seat < 58; seat += 2) // a booking of several, named as if it were a reservation
        {
            var mistaken = await NewVisitorAsync();
            var several = await mistaken.HeldTogetherAsync(show, seat, seat + 1);
            Add(() => mistaken.ReleaseAsync(several), 404, "reservation_not_found");
        }

        var payer = await NewVisitorAsync();
        (await payer.ChargeAsync(1_000)).Expect(201);
        var paid = await payer.HeldTogetherAsync(show, 43);
        (await payer.PayBookingAsync(paid)).Expect(201);
        Add(() => payer.ReleaseBookingAsync(paid), 409, "already_paid");
        Add(() => payer.ReleaseBookingAsync(rest.Value("bookingId")), 404, "booking_not_found");
        var late = await NewVisitorAsync();
        var over = await late.HeldTogetherAsync(show, 44);
        await alone.Database.LetBookingPassAsync(over);
        Add(() => late.ReleaseBookingAsync(over), 410, "hold_expired");

        var replies = await Rush.AllAnsweredAsync(calls.Count, number => calls[number]());

        foreach (var (number, reply) in replies.Index())
        {
            _ = expected[number].Code is { } code ? reply.ExpectProblem(expected[number].Status, code) : reply.Expect(204);
        }

        await Assert.That(await alone.Database.ColumnAsync<int>(
            "SELECT seat_no FROM seat WHERE schedule_id = @id AND reservation_id IS NOT NULL AND seat_no < 44 ORDER BY seat_no",
            ("@id", show.ScheduleId))).IsEquivalentTo([42, 43]);
        await Assert.That(await SharedHoldTests.SharedAsync(alone, "release")).IsGreaterThan(0);
        await Rig.VerifyAsync(alone.Database.Settings);

        Task<Visitor> NewVisitorAsync() => Rig.NewVisitor(alone).AdmittedAsync(show);

        void Add(Func<Task<Reply>> call, int status, string? code)
        {
            calls.Add(call);
            expected.Add((status, code));
        }
    }

    [Test]
    public async Task Charge_CrowdWithRepeatsAndRefusals_EachItsOwnAnswer()
    {
        await using var alone = await Rig.StartAloneAsync();
        var users = Enumerable.Range(0, 40).Select(_ => Rig.NewVisitor(alone)).ToArray();
        var keys = users.Select(static _ => Visitor.NewKey()).ToArray();
        var first = (await users[0].ChargeAsync(500, keys[0])).Expect(201);
        (await users[1].ChargeAsync(500, keys[1])).Expect(201);
        for (var charge = 0; charge < 100; charge++)
        {
            (await users[2].ChargeAsync(10_000_000)).Expect(201); // as much as a balance may be
        }

        var replies = await Rush.AllAnsweredAsync(
            users.Length, number => users[number].ChargeAsync(number == 0 ? 500 : 1_000 + number, keys[number]));

        await Assert.That(replies[0].Body).IsEquivalentTo(first.Body);
        replies[1].ExpectProblem(422, "idempotency_key_reused");
        replies[2].ExpectProblem(409, "balance_limit_exceeded");
        for (var number = 3; number < users.Length; number++)
        {
            await Assert.That(replies[number].Expect(201).Number("amount")).IsEqualTo(1_000 + number);
            await Assert.That(replies[number].Number("balance")).IsEqualTo(1_000 + number);
            await Assert.That(await users[number].BalanceAsync()).IsEqualTo(1_000 + number);
        }

        await Assert.That(await SharedHoldTests.SharedAsync(alone, "charge")).IsGreaterThan(0);
        await Rig.VerifyAsync(alone.Database.Settings);
    }

    /// <summary>
    /// A user's first call may wait for another row and have added the user's. An INSERT cannot skip that as a SELECT can, and the
    /// members of a shared transaction would wait for both. Called past the service, which would hide a wait by calling alone.
    /// </summary>
    [Test]
    public async Task Charge_OfAUserWhoIsBeingAdded_OtherMemberDoesNotWait()
    {
        await using var alone = await Rig.StartAloneAsync();
        var known = Rig.NewVisitor(alone);
        (await known.ChargeAsync(1)).Expect(201);
        var added = UserIds.Next();
        var procedure = await alone.Database.ScalarAsync<string>(
            """
            SELECT routine_name FROM information_schema.routines
            WHERE routine_schema = DATABASE() AND routine_name LIKE 'charge\_points\_shared%'
            """);
        await using var adding = await alone.Database.AddBalanceAsync(added);

        var served = await alone.Database.ColumnAsync<int>( // fails when MySQL has let it wait for as long as it may
            $"CALL {procedure}(@members, 1000)", ("@members", $"[{Member(0, added)},{Member(1, known.UserId)}]"));

        await Assert.That(served).IsEquivalentTo([1]);
        await Assert.That(await known.BalanceAsync()).IsEqualTo(6);

        static string Member(int number, long user) => $$"""
            {"n":{{number}},"user":{{user}},"caller":{{user}},"amount":5,"key":"a","hash":"{{new string('0', 64)}}",
             "attempt":"{{Guid.CreateVersion7():N}}"}
            """;
    }
}
