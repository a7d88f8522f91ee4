using System.Text.Json;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;
using ConcertBooking.Tests.Telemetry;

namespace ConcertBooking.Tests.Races;

/// <summary>Holds in shared transactions: no member spoils, delays or swaps the answer of another.</summary>
[NotInParallel]
public sealed class SharedHoldTests : SharedRigTests
{
    /// <summary>A name in a hall that JSON and SQL must not take for their own.</summary>
    internal const string Odd = "\"\\é석🎫{['";

    private const int Limit = 4;

    [Test]
    public async Task Hold_CrowdWithEveryRefusal_EachItsOwnAnswer()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync(seats: 100);
        var hall = await alone.Catalogue.AddHallShowAsync();
        var closed = await alone.Catalogue.AddShowAsync();
        await alone.Database.ExecuteAsync(
            "UPDATE concert_schedule SET sales_close_at = TIMESTAMPADD(HOUR, -1, NOW()) WHERE schedule_id = @id",
            ("@id", closed.ScheduleId));
        var calls = new List<Func<Task>>();

        for (var seat = 1; seat <= 12; seat++)
        {
            var (user, mine) = (await NewVisitorAsync(alone, show), seat);
            calls.Add(async () => await ExpectOwnAsync(user, (await AnsweredAsync(() => user.HoldAsync(show, mine))).Expect(201), [mine]));
        }

        for (var first = 13; first <= 40; first += 3)
        {
            var (user, mine) = (await NewVisitorAsync(alone, show), (int[])[first, first + 1, first + 2]);
            calls.Add(async () => await ExpectOwnAsync(
                user, (await AnsweredAsync(() => user.HoldTogetherAsync(show, mine))).Expect(201), mine));
        }

        for (var number = 0; number < 4; number++)
        {
            var (user, key) = (await NewVisitorAsync(alone, hall), Visitor.NewKey());
            calls.Add(async () =>
            {
                var held = (await AnsweredAsync(() => user.HoldBestAsync(hall, """{"count":2,"together":false}""", key))).Expect(201);
                await ExpectOwnAsync(user, held, null);
                var again = (await AnsweredAsync(() => user.HoldBestAsync(hall, """{"count":2,"together":false}""", key))).Expect(201);
                await Assert.That(again.Body).IsEquivalentTo(held.Body);
            });
        }

        var owner = await NewVisitorAsync(alone, show);
        var taken = await owner.HeldTogetherAsync(show, 60, 61);
        await owner.HeldTogetherAsync(show, 62, 63);
        calls.Add(async () =>
        {
            var again = (await AnsweredAsync(() => owner.HoldTogetherAsync(show, 60, 61))).Expect(200);
            await Assert.That(again.Value("bookingId")).IsEqualTo(taken);
        });
        await AddAsync(show, user => user.HoldTogetherAsync(show, 70, 61), 409, "seat_taken");
        await AddAsync(show, user => user.HoldAsync(show, 101), 404, "seat_not_found");
        await AddAsync(show, user => user.HoldAsync(long.MaxValue, 1), 404, "schedule_not_found");
        await AddAsync(closed, user => user.HoldAsync(closed, 1), 409, "sales_closed");
        await AddAsync(show, user => user.HoldAsync(closed, 1), 403, "queue_token_not_active");
        await AddAsync(show, user => user.HoldTogetherAsync(show, 80, 81, 82, 83, 84), 409, "hold_limit_reached");
        calls.Add(async () => (await AnsweredAsync(() => owner.HoldAsync(show, 90))).ExpectProblem(409, "hold_limit_reached"));

        await Rush.AllAtOnceAsync(calls.Count, async number =>
        {
            await calls[number]();
            return true;
        });

        await Assert.That(await alone.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation WHERE schedule_id = @id", ("@id", show.ScheduleId))).IsEqualTo(12 + 30 + 4);
        await Assert.That(await SharedAsync(alone, "hold")).IsGreaterThan(0);
        await Rig.VerifyAsync(alone.Database.Settings);

        async Task AddAsync(Show of, Func<Visitor, Task<Reply>> call, int status, string code)
        {
            var user = await NewVisitorAsync(alone, of);
            calls.Add(async () => (await AnsweredAsync(() => call(user))).ExpectProblem(status, code));
        }
    }

    [Test]
    public async Task Hold_CrowdInAHallOfOddNames_AnswersAndEventsHaveTheSeatsOfTheirOwnBooking()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { [KafkaServers.Setting] = null });
        var odd = JsonEncodedText.Encode(Odd);
        var show = await alone.Catalogue.AddHallShowAsync(
            $$"""
            {"name":"h","sections":[{"section":"{{odd}}","grade":"{{odd}}","rows":[{"row":"{{odd}}","seats":60}]},
             {"section":"null","grade":"R","rows":[{"row":"1","seats":60}]}]}
            """,
            $$"""{"{{odd}}":700,"R":900}""");
        var users = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => NewVisitorAsync(alone, show)));
        const string Held = "booking.held.v1";

        // One seat, without a key; or up to three, of both grades, with one.
        var bookings = await Rush.AllAtOnceAsync(users.Length, async number =>
        {
            List<int> seatNos = [.. Enumerable.Range(1, number % 4).Select(place => number + 1 + (60 * (place % 2)) + (30 * (place / 2)))];
            if (seatNos.Count == 0)
            {
                return (await AnsweredAsync(() => users[number].HoldAsync(show, number + 1))).Expect(201).Value("bookingId");
            }

            var held = (await AnsweredAsync(() => users[number].HoldTogetherAsync(show, seatNos))).Expect(201);
            var booking = (await users[number].BookingAsync(held.Value("bookingId"))).Expect(200);
            await Assert.That(SeatsOf(held.Json)).IsEqualTo(SeatsOf(booking.Json));
            await Assert.That(booking.Json.GetProperty("seats").GetArrayLength()).IsEqualTo(seatNos.Count);
            return held.Value("bookingId");
        });

        foreach (var (number, user) in users.Index())
        {
            var booking = (await user.BookingAsync(bookings[number])).Expect(200).Json;
            foreach (var seat in booking.GetProperty("seats").EnumerateArray())
            {
                var isOdd = seat.Number("seatNo") <= 60;
                await Assert.That(seat.Value("grade")).IsEqualTo(isOdd ? Odd : "R");
                await Assert.That(seat.Value("section")).IsEqualTo(isOdd ? Odd : "null");
                await Assert.That(seat.Number("price")).IsEqualTo(isOdd ? 700 : 900);
            }

            await Assert.That(await alone.Database.EventTypesAsync(bookings[number])).IsEquivalentTo([Held]);
            var published = await ExpectEventAsync(alone, Held, user, show, booking);
            await Assert.That(published.Value("heldUntil")).StartsWith(booking.Value("heldUntil").TrimEnd('Z'));
        }

        await Assert.That(await SharedAsync(alone, "hold")).IsGreaterThan(0);
        await Rig.VerifyAsync(alone.Database.Settings);
    }

    [Test]
    public async Task Hold_OneUserAndOneSeatLocked_OthersAreServedMeanwhile()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync(seats: 60);
        var users = await Task.WhenAll(Enumerable.Range(0, 42).Select(_ => NewVisitorAsync(alone, show)));
        await users[40].HeldAsync(show, 58); // has a row since
        var locks = await alone.Database.LockBalanceAsync(users[40].UserId);
        await using var seatLock = await alone.Database.LockSeatAsync(show, 59);
        List<Task<Reply>> locked =
            [AnsweredAsync(() => users[40].HoldAsync(show, 57)), AnsweredAsync(() => users[41].HoldTogetherAsync(show, 59, 60))];

        // As long as the rows are locked: nobody's answer waits for them.
        var replies = await Rush.AllAnsweredAsync(40, number => users[number].HoldAsync(show, number + 1));

        foreach (var reply in replies)
        {
            reply.Expect(201);
        }

        await Assert.That(locked.Any(static one => one.IsCompleted)).IsFalse();
        await locks.DisposeAsync();
        await seatLock.DisposeAsync();
        foreach (var reply in await Task.WhenAll(locked))
        {
            await Assert.That(reply.IsWon).IsTrue();
        }

        await Rig.VerifyAsync(alone.Database.Settings);
    }

    [Test]
    public async Task Hold_SharedTransactionIsSlow_OthersAreServedMeanwhile()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Holds__MaxPerUser"] = "1000" });
        var show = await alone.Catalogue.AddShowAsync(seats: 1000);
        var users = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => NewVisitorAsync(alone, show)));
        await alone.Database.ExecuteAsync(
            $"""
            CREATE TRIGGER slow BEFORE INSERT ON reservation FOR EACH ROW
            BEGIN IF NEW.user_id IN ({users[0].UserId}, {users[1].UserId}) THEN DO SLEEP(10); END IF; END
            """);
        var seat = 0;

        // In one try of several, since the others have only the two seconds until the slow one is given up.
        await Eventually.TrueAsync(async () =>
        {
            await Eventually.TrueAsync(async () => await SlowAsync() == 0);
            var first = users[0].HoldAsync(show, ++seat); // alone
            await Eventually.TrueAsync(async () => first.IsCompleted || await SlowAsync() == 1);
            var second = users[1].HoldAsync(show, ++seat); // shared
            await Eventually.TrueAsync(async () => second.IsCompleted || await SlowAsync() == 2);

            var others = await Task.WhenAll(users[2..].Select(user => user.HoldAsync(show, ++seat)));
            var served = others.All(static reply => reply.Status == 201) && !first.IsCompleted && !second.IsCompleted;
            await Task.WhenAll(first, second);
            return served;
        });

        await alone.Database.ExecuteAsync("DROP TRIGGER slow");
        await Rig.VerifyAsync(alone.Database.Settings);

        Task<int> SlowAsync() => alone.Database.SessionsAsync("State", "User sleep");
    }

    /// <summary>Who is at the limit does not take the short lock of a seat in Redis, so nobody else is refused for them.</summary>
    [Test]
    [Arguments("Holds__MaxPerUser", "hold_limit_reached")]
    [Arguments("Purchases__MaxPerUser", "purchase_limit_reached")]
    public Task HoldSeat_LastAllowedOneWasShared_LeavesOtherSeatsToOthers(string limit, string code) => Eventually.InTimeAsync(
        Eventually.HalfARequest, async clock =>
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { [limit] = "2" });
        var show = await alone.Catalogue.AddShowAsync();
        var users = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => NewVisitorAsync(alone, show)));
        var (atLimit, other, stuck) = (users[0], users[1], users[2]);
        await atLimit.HeldAsync(show, seatNo: 1);
        await stuck.HeldAsync(show, seatNo: 2);
        Task<Reply> waiting;
        await using (await alone.Database.LockBalanceAsync(stuck.UserId))
        {
            clock.Start();
            waiting = stuck.HoldAsync(show, seatNo: 3);
            await alone.Database.ExpectWaitingAsync(waiting);
            await atLimit.HeldAsync(show, seatNo: 4);
            clock.Stop();
            await Assert.That(await SharedAsync(alone, "hold")).IsEqualTo(1);
        }

        await waiting;
        await alone.Database.ExpectNoneWaitingAsync();
        await using (await alone.Database.LockBalanceAsync(atLimit.UserId))
        {
            clock.Restart();
            waiting = atLimit.HoldAsync(show, seatNo: 5);
            await alone.Database.ExpectWaitingAsync(waiting);

            (await other.HoldAsync(show, seatNo: 5)).Expect(201);
            clock.Stop();
        }

        await waiting;
        (await atLimit.HoldAsync(show, seatNo: 6)).ExpectProblem(409, code);
        await Rig.VerifyAsync(alone.Database.Settings);
    });

    [Test]
    public async Task Hold_OneBreaksAConstraint_OthersAreServed()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync(seats: 40);
        var users = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => NewVisitorAsync(alone, show)));
        await SellByHandAsync(alone, show, seatNo: 20);

        var replies = await Rush.AllAnsweredAsync(40, number => users[number].HoldAsync(show, number + 1));

        foreach (var (number, reply) in replies.Index())
        {
            _ = number + 1 == 20 ? reply.ExpectProblem(409, "seat_taken") : reply.ExpectWon();
        }
    }

    [Test]
    public async Task Hold_SharedTransactionFails_IsLoggedOnceAMinute()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync(seats: 10);
        var users = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => NewVisitorAsync(alone, show)));
        await SellByHandAsync(alone, show, seatNo: 5);
        await using var seatLock = await alone.Database.LockSeatAsync(show, 1);
        var waiting = AnsweredAsync(() => users[0].HoldAsync(show, 1)); // while it waits, the holds of others are shared

        await Eventually.TrueAsync(async () =>
        {
            (await AnsweredAsync(() => users[1].HoldAsync(show, 5))).ExpectProblem(409, "seat_taken");
            return await CountAsync(alone, "hold", "repeated") >= 3;
        });

        await seatLock.DisposeAsync();
        await Assert.That((await waiting).IsWon).IsTrue();
        var lines = await Eventually.GetAsync(
            () => Task.FromResult(alone.Process.Output.Where(
                static line => line.Contains("A shared transaction failed", StringComparison.Ordinal)).ToArray()),
            static lines => lines.Length > 0);
        await Assert.That(lines.Length).IsEqualTo(1);
        await Assert.That(lines[0]).Contains("(hold, 1 members)");
    }

    private Task<LoneInstance> StartAsync() => Rig.StartAloneAsync(new Dictionary<string, string?>
    {
        ["Holds__MaxPerUser"] = $"{Limit}",
        ["Purchases__MaxPerUser"] = "0",
    });

    private Task<Visitor> NewVisitorAsync(LoneInstance at, Show show) => Rig.NewVisitor(at).AdmittedAsync(show);

    /// <summary>Without the row of its seat: only the unique column knows.</summary>
    private static Task<int> SellByHandAsync(LoneInstance at, Show show, int seatNo) => at.Database.ExecuteAsync(
        """
        INSERT INTO reservation (reservation_id, user_id, schedule_id, seat_no, status, price, held_expires_at)
        VALUES (@id, 1, @schedule, @seat, 'CONFIRMED', 1, NOW(3))
        """,
        ("@id", Guid.CreateVersion7()), ("@schedule", show.ScheduleId), ("@seat", seatNo));

    private static Task<Reply> AnsweredAsync(Func<Task<Reply>> request) => Eventually.AnsweredAsync(request);

    /// <summary>The booking is the user's, with these seats.</summary>
    private static async Task ExpectOwnAsync(Visitor user, Reply held, IReadOnlyList<int>? seatNos)
    {
        var booking = (await user.BookingAsync(held.Value("bookingId"))).Expect(200);
        if (seatNos is not null)
        {
            await Assert.That(booking.Seats()).IsEqualTo(string.Join(", ", seatNos.Select(static seat => $"{seat} HELD")));
        }
    }

    /// <summary>The only event of that type is the user's, of this show, with the seats of this booking.</summary>
    internal static async Task<JsonElement> ExpectEventAsync(LoneInstance at, string type, Visitor user, Show show, JsonElement booking)
    {
        var payloads = await at.Database.ColumnAsync<string>(
            "SELECT payload FROM outbox WHERE event_key = @id AND event_type = @type",
            ("@id", Guid.Parse(booking.Value("bookingId"))), ("@type", type));
        await Assert.That(payloads).Count().IsEqualTo(1);
        var published = JsonElement.Parse(payloads[0]);
        await Assert.That(SeatsOf(published)).IsEqualTo(SeatsOf(booking));
        await Assert.That(published.Number("userId")).IsEqualTo(user.UserId);
        await Assert.That(published.Number("concertId")).IsEqualTo(show.ConcertId);
        await Assert.That(published.Number("scheduleId")).IsEqualTo(show.ScheduleId);
        return published;
    }

    /// <summary>The seats of a booking, in an answer or an event.</summary>
    internal static string SeatsOf(JsonElement of) => string.Join('\n', of.GetProperty("seats").EnumerateArray().Select(static seat =>
        $"{seat.Value("reservationId")} {seat.Number("seatNo")} {seat.Value("section")} {seat.Value("row")} {seat.Value("label")} "
            + $"{seat.Value("grade")} {seat.Number("price")}"));

    /// <summary>How many of these calls shared a transaction.</summary>
    internal static Task<double> SharedAsync(LoneInstance instance, string call) => CountAsync(instance, call, "shared");

    private static async Task<double> CountAsync(LoneInstance instance, string call, string how) =>
        (await MetricsTests.ScrapeAsync(instance)).Value("booking_transactions_total", $"call=\"{call}\"", $"how=\"{how}\"");
}
