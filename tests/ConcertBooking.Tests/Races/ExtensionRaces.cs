using System.Diagnostics;
using ConcertBooking.Tests.Support;
using MySqlConnector;

namespace ConcertBooking.Tests.Races;

/// <summary>A hold of two seats is prolonged while it expires, is paid or is released: both seats share one outcome.</summary>
[NotInParallel]
public sealed class ExtensionRaces : SharedRigTests
{
    private const int Batch = 25;

    [Test]
    public Task Extend_AroundTheEndOfTheHold_IsWhollyExtendedOrWhollyExpired() => ExtendAroundTheEndAsync(50);

    [Test, Category("Long"), Explicit]
    public Task Extend_AroundTheEndOfTheHoldThousandTimes_IsWhollyExtendedOrWhollyExpired() => ExtendAroundTheEndAsync(1000);

    [Test]
    public Task ExtendAndPay_AtOnce_BothSeatsArePaidOnce() => ExtendAndPayAsync(50);

    [Test, Category("Long"), Explicit]
    public Task ExtendAndPay_ThousandTimes_BothSeatsArePaidOnce() => ExtendAndPayAsync(1000);

    [Test]
    public Task ExtendAndRelease_AtOnce_WhatIsReleasedIsFree() => ExtendAndReleaseAsync(50);

    [Test, Category("Long"), Explicit]
    public Task ExtendAndRelease_ThousandTimes_WhatIsReleasedIsFree() => ExtendAndReleaseAsync(1000);

    /// <summary>
    /// Holds end while their owners prolong them and rivals reach for the seats, all within 50 ms before and after. The database's
    /// clock sets the end.
    /// </summary>
    private async Task ExtendAroundTheEndAsync(int times)
    {
        var (outcomes, deadlocks) = (new List<string>(), await Rig.Database.DeadlocksAsync());
        string[] all = ["extended", "expired, seats taken over", "expired, seats not taken"];
        for (var tries = 0; tries < times || (tries < 5 * times && all.Except(outcomes).Any()); tries += Batch)
        {
            var (show, owners, bookings) = await HoldPairsAsync(points: 0);
            var rivals = await Rig.AdmittedAsync(show, Batch, points: 0, Rig.B, Rig.A);
            var end = await EndHoldsAsync(show, TimeSpan.FromMilliseconds(100));

            var answers = await Rush.AllAtOnceAsync(Batch, async pair =>
            {
                var extend = AfterAsync(Random.Shared.Next(50, 150), () => owners[pair].ExtendAsync(bookings[pair]));
                var hold = AfterAsync(Random.Shared.Next(50, 150), () => rivals[pair].HoldTogetherAsync(show, SeatsOf(pair)));
                return (Extend: await extend, Hold: await hold);
            });
            var facts = await FactsAsync(show);
            for (var pair = 0; pair < Batch; pair++)
            {
                outcomes.Add(Judge(facts, pair, bookings[pair], answers[pair].Extend, answers[pair].Hold.Reply, end));
            }
        }

        await PrintAsync(outcomes, deadlocks);
        await Assert.That(all.Except(outcomes)).IsEmpty();
        await Rig.VerifyAsync();
    }

    private static string Judge(Dictionary<string, Fact> facts, int pair, string bookingId, Timed extend, Reply hold, End end)
    {
        var fact = facts[bookingId];
        if (IsExtended(extend.Reply))
        {
            Expect(IsInTime(extend, end), pair, "extended after its end", fact);
            hold.ExpectProblem(409, "seat_taken");
            Expect(fact is { Statuses: "HELD, HELD", Ends: 1, SecondsLeft: > 60, Extensions: 1, Claims: 2 }, pair, "extended", fact);
            return "extended";
        }

        extend.Reply.ExpectProblem(410, "hold_expired");
        Expect(extend.AnsweredAt >= end.Earliest, pair, "expired before its end", fact);
        Expect(fact is { Statuses: "HELD, HELD" or "EXPIRED, EXPIRED", SecondsLeft: <= 0, Extensions: 0 }, pair, "expired", fact);
        if (!hold.IsWon)
        {
            hold.ExpectProblem(409, "seat_taken");
            return "expired, seats not taken";
        }

        Expect(fact is { Statuses: "EXPIRED, EXPIRED", Claims: 0 }, pair, "expired", fact);
        var rival = facts[hold.Value("bookingId")];
        Expect(rival is { Statuses: "HELD, HELD", Claims: 2, SecondsLeft: > 60 }, pair, "taken over", rival);
        return "expired, seats taken over";
    }

    /// <summary>
    /// Half of the holds last, so that their payment always comes through; the others end within the 50 ms before or after.
    /// </summary>
    private async Task ExtendAndPayAsync(int times)
    {
        var (outcomes, deadlocks) = (new List<string>(), await Rig.Database.DeadlocksAsync());
        for (var tries = 0; tries < times; tries += Batch)
        {
            var (show, owners, bookings) = await HoldPairsAsync(points: 2);
            var ends = tries / Batch % 2 == 0;
            var end = await EndHoldsAsync(show, TimeSpan.FromMilliseconds(ends ? 100 : 60_000));

            var answers = await Rush.AllAtOnceAsync(Batch, async pair =>
            {
                var otherTab = new Visitor((pair % 2 == 0 ? Rig.B : Rig.A).Api, owners[pair].UserId, owners[pair].AccessToken)
                {
                    QueueToken = owners[pair].QueueToken,
                };
                var extend = AfterAsync(Random.Shared.Next(50, 150), () => otherTab.ExtendAsync(bookings[pair]));
                var pay = AfterAsync(Random.Shared.Next(50, 150), () => owners[pair].PayBookingAsync(bookings[pair], key: bookings[pair]));
                return (Extend: await extend, Pay: await pay);
            });
            var facts = await FactsAsync(show);
            for (var pair = 0; pair < Batch; pair++)
            {
                var (extend, pay) = answers[pair];
                outcomes.Add(Judge(facts[bookings[pair]], pair, show, extend, pay, end));
                await Assert.That(ends || pay.Reply.Status == 201).IsTrue().Because($"{pay.Reply}");
            }
        }

        await PrintAsync(outcomes, deadlocks);
        await Assert.That(outcomes.Count(static outcome => outcome.StartsWith("paid", StringComparison.Ordinal))).IsGreaterThan(0);
        await Rig.VerifyAsync();
    }

    private static string Judge(Fact fact, int pair, Show show, Timed timedExtend, Timed timedPay, End end)
    {
        var (extend, pay) = (timedExtend.Reply, timedPay.Reply);
        // Its answer is read after the change: by then the booking may be paid, and that is what it says.
        var extended = IsExtended(extend) || (extend.Code == "already_paid" && fact.Extensions == 1);
        Expect(fact.Extensions == (extended ? 1 : 0) && fact.Ends == 1, pair, $"{extend}", fact);
        Expect(IsInTime(timedExtend, end), pair, "extended after its end", fact);
        if (pay.Status == 201)
        {
            Expect(
                fact is { Statuses: "CONFIRMED, CONFIRMED", Payments: 1, Uses: 1, Balance: 0, Claims: 2 }
                    && fact.Amount == 2 * show.Price && fact.Used == 2 * show.Price && pay.Number("amount") == 2 * show.Price,
                pair, "paid", fact);
            if (!extended)
            {
                // The place is given up with the payment, so the token may be used up. A payment that came in time may be slow to lock
                // the seats: until then the extension finds a hold that has ended. Not before its end, nor once the payment was answered.
                var late = extend.Code == "hold_expired" && timedExtend.AnsweredAt >= end.Earliest
                    && timedExtend.SentAt < timedPay.AnsweredAt;
                Expect(late || extend.Code is "already_paid" or "queue_token_expired", pair, $"{extend}", fact);
            }

            return extended ? "paid, extended" : "paid";
        }

        pay.ExpectProblem(410, "hold_expired");
        Expect(timedPay.AnsweredAt >= end.Earliest, pair, "not paid before the end", fact);
        Expect(fact is { Payments: 0, Uses: 0 } && fact.Balance == 2 * show.Price, pair, "not paid", fact);
        if (extended)
        {
            Expect(fact is { Statuses: "HELD, HELD", SecondsLeft: > 60, Claims: 2 }, pair, "extended, not paid", fact);
            return "extended, not paid";
        }

        extend.ExpectProblem(410, "hold_expired");
        Expect(timedExtend.AnsweredAt >= end.Earliest, pair, "expired before its end", fact);
        Expect(fact is { Statuses: "HELD, HELD" or "EXPIRED, EXPIRED", SecondsLeft: <= 0 }, pair, "expired", fact);
        return "expired";
    }

    /// <summary>Every other time only one of the two seats is released.</summary>
    private async Task ExtendAndReleaseAsync(int times)
    {
        var (outcomes, deadlocks) = (new List<string>(), await Rig.Database.DeadlocksAsync());
        for (var tries = 0; tries < times; tries += Batch)
        {
            var (show, owners, bookings) = await HoldPairsAsync(points: 0);
            var first = await Rush.AllAnsweredAsync(Batch, pair => owners[pair].BookingAsync(bookings[pair]));
            var answers = await Rush.AllAtOnceAsync(Batch, async pair =>
            {
                var extend = AfterAsync(Random.Shared.Next(50), () => owners[pair].ExtendAsync(bookings[pair]));
                var release = AfterAsync(Random.Shared.Next(50), () => pair % 2 == 0
                    ? owners[pair].ReleaseBookingAsync(bookings[pair])
                    : owners[pair].ReleaseAsync(first[pair].ReservationOf(SeatsOf(pair)[0])));
                return (Extend: await extend, Release: await release);
            });
            var facts = await FactsAsync(show);
            for (var pair = 0; pair < Batch; pair++)
            {
                var (fact, extend) = (facts[bookings[pair]], answers[pair].Extend.Reply);
                var extended = IsExtended(extend);
                answers[pair].Release.Reply.Expect(204);
                if (!extended)
                {
                    extend.ExpectProblem(410, "hold_expired");
                }

                Expect(
                    pair % 2 == 0
                        ? fact is { Statuses: "RELEASED, RELEASED", Claims: 0 }
                        : extended && fact is { Statuses: "RELEASED, HELD", Claims: 1 },
                    pair, $"released, {extend}", fact);
                // Its answer is read after the change: by then the booking may be released, and that is what it says.
                Expect(fact.Extensions == 1 || (!extended && fact.Extensions == 0), pair, $"{extend}", fact);
                outcomes.Add($"{(pair % 2 == 0 ? "both" : "one")} released, {(extended ? "extended" : "not extended")}");
            }

            var rivals = await Rig.AdmittedAsync(show, Batch, points: 0, Rig.B, Rig.A);
            foreach (var reply in await Rush.AllAnsweredAsync(
                Batch, pair => rivals[pair].HoldTogetherAsync(show, SeatsOf(pair)[..(2 - (pair % 2))])))
            {
                await Assert.That(reply.IsWon).IsTrue().Because($"{reply}");
            }
        }

        await PrintAsync(outcomes, deadlocks);
        await Rig.VerifyAsync();
    }

    /// <summary>A repeat after a 503 finds its own extension made.</summary>
    private static bool IsExtended(Reply extend) => extend.Status == 200 || extend.Code == "extension_limit_reached";

    private static int[] SeatsOf(int pair) => [(2 * pair) + 1, (2 * pair) + 2];

    /// <summary>Users with two seats each.</summary>
    /// <param name="points">In prices of a seat.</param>
    private async Task<(Show Show, Visitor[] Owners, string[] Bookings)> HoldPairsAsync(int points)
    {
        var show = await Rig.Catalogue.AddShowAsync(2 * Batch);
        var owners = await Rig.AdmittedAsync(show, Batch, points * show.Price, Rig.A, Rig.B);
        var bookings = await Rush.AllAtOnceAsync(Batch, pair => owners[pair].HeldTogetherAsync(show, SeatsOf(pair)));
        return (show, owners, bookings);
    }

    /// <summary>The state of a booking in the database.</summary>
    /// <param name="Statuses">Of its seats, in the order of their numbers.</param>
    /// <param name="Ends">How many different ends the seats that are in it have.</param>
    /// <param name="Claims">Seats whose row names a reservation of it.</param>
    private sealed record Fact(
        string Statuses, long Ends, long SecondsLeft, long Extensions, long Claims, long Payments, long Amount, long Uses, long Used,
        long Balance);

    /// <summary>By booking.</summary>
    private async Task<Dictionary<string, Fact>> FactsAsync(Show show)
    {
        await using var connection = await Rig.Database.OpenAsync();
        await using var command = new MySqlCommand("""
            SELECT b.booking_id, GROUP_CONCAT(r.status ORDER BY r.seat_no SEPARATOR ', '),
              COUNT(DISTINCT CASE WHEN r.status <> 'RELEASED' THEN r.held_expires_at END),
              CAST(MAX(TIMESTAMPDIFF(SECOND, NOW(3), r.held_expires_at)) AS SIGNED), MAX(b.extensions), COUNT(t.seat_no),
              (SELECT COUNT(*) FROM payment p WHERE p.booking_id = b.booking_id),
              (SELECT CAST(COALESCE(SUM(p.amount), 0) AS SIGNED) FROM payment p WHERE p.booking_id = b.booking_id),
              (SELECT COUNT(*) FROM point_tx x WHERE x.user_id = b.user_id AND x.type = 'USE'),
              (SELECT CAST(COALESCE(SUM(x.amount), 0) AS SIGNED) FROM point_tx x WHERE x.user_id = b.user_id AND x.type = 'USE'),
              (SELECT u.balance FROM user_point_balance u WHERE u.user_id = b.user_id)
            FROM booking b JOIN reservation r ON r.booking_id = b.booking_id
            LEFT JOIN seat t ON t.schedule_id = r.schedule_id AND t.seat_no = r.seat_no AND t.reservation_id = r.reservation_id
            WHERE b.schedule_id = @schedule GROUP BY b.booking_id
            """, connection);
        command.Parameters.AddWithValue("@schedule", show.ScheduleId);
        await using var row = await command.ExecuteReaderAsync();
        var facts = new Dictionary<string, Fact>();
        while (await row.ReadAsync())
        {
            facts.Add(row.GetGuid(0).ToString(), new Fact(
                row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6), row.GetInt64(7),
                row.GetInt64(8), row.GetInt64(9), row.GetInt64(10)));
        }

        return facts;
    }

    private static void Expect(bool condition, int pair, string answer, Fact fact)
    {
        if (!condition)
        {
            Assert.Fail($"Pair {pair}: {answer}, but the database has {fact}.");
        }
    }

    private async Task PrintAsync(IEnumerable<string> outcomes, long? before)
    {
        var counts = outcomes.GroupBy(static outcome => outcome).OrderBy(static group => group.Key, StringComparer.Ordinal)
            .Select(static group => $"{group.Count()} × {group.Key}");
        Console.WriteLine($"{string.Join("; ", counts)}; {await Rig.Database.DeadlocksAsync() - before} deadlocks");
    }

    /// <summary>A repeat after a 503 that finds its own extension may be late.</summary>
    private static bool IsInTime(Timed extend, End end) => extend.Reply.Status != 200 || extend.SentAt <= end.Latest;

    /// <summary>The end of holds by this machine's clock lies between these.</summary>
    private readonly record struct End(long Earliest, long Latest);

    /// <summary>Moves the end of a show's holds.</summary>
    private async Task<End> EndHoldsAsync(Show show, TimeSpan fromNow)
    {
        await Rig.Database.EndHoldsAsync(fromNow, "schedule_id = @schedule", ("@schedule", show.ScheduleId));
        var asked = Stopwatch.GetTimestamp();
        var left = Stopwatch.Frequency * await Rig.Database.ScalarAsync<long>(
            "SELECT TIMESTAMPDIFF(MICROSECOND, NOW(6), MIN(held_expires_at)) FROM reservation WHERE schedule_id = @schedule",
            ("@schedule", show.ScheduleId)) / 1_000_000;
        return new End(asked + left, Stopwatch.GetTimestamp() + left);
    }

    /// <summary>An answer, and when its last sending began and ended.</summary>
    private sealed record Timed(Reply Reply, long SentAt, long AnsweredAt);

    private static async Task<Timed> AfterAsync(int milliseconds, Func<Task<Reply>> send)
    {
        await Task.Delay(milliseconds);
        var sentAt = 0L;
        var reply = await Eventually.AnsweredAsync(() =>
        {
            sentAt = Stopwatch.GetTimestamp();
            return send();
        });
        return new Timed(reply, sentAt, Stopwatch.GetTimestamp());
    }
}
