using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Races;

/// <summary>The end of a hold meets its payment, its release and the next in line: each time one of them wins wholly.</summary>
[NotInParallel]
public sealed class ExpiryRaces : SharedRigTests
{
    private const int Batch = 50;

    /// <summary>
    /// 2,000 holds end while their owners pay and rivals reach for the seats, all within 50 ms before and after. The
    /// database's clock sets the end, so nothing depends on when a request happens to be sent.
    /// </summary>
    [Test]
    public async Task Pay_AroundTheEndOfTheHold_IsWhollyPaidOrWhollyExpired()
    {
        var outcomes = new List<string>();
        for (var batch = 0; batch < 2000 / Batch; batch++)
        {
            var show = await Rig.Catalogue.AddShowAsync(Batch);
            var owners = await Rig.AdmittedAsync(show, Batch, points: show.Price, Rig.A, Rig.B);
            var rivals = await Rig.AdmittedAsync(show, Batch, points: 0, Rig.B, Rig.A);
            var reservations = await Rush.AllAtOnceAsync(Batch, seat => owners[seat].HeldAsync(show, seat + 1));
            await Rig.Database.ExecuteAsync(
                "UPDATE reservation SET held_expires_at = TIMESTAMPADD(MICROSECOND, 100000, NOW(3)) WHERE schedule_id = @schedule",
                ("@schedule", show.ScheduleId));

            outcomes.AddRange(await Rush.AllAtOnceAsync(Batch, async seat =>
            {
                var pay = AfterAsync(Random.Shared.Next(50, 150), () => owners[seat].PayAsync(reservations[seat]));
                var hold = AfterAsync(Random.Shared.Next(50, 150), () => rivals[seat].HoldAsync(show, seat + 1));
                return await JudgeAsync(show, seat + 1, owners[seat], reservations[seat], await pay, await hold);
            }));
        }

        // A run in which only one of them ever won would have missed the moment it is about.
        foreach (var outcome in (string[])["paid", "expired, seat taken over", "expired, seat not taken"])
            await Assert.That(outcomes.Count(seen => seen == outcome)).IsGreaterThan(20);
        await Rig.VerifyAsync();
    }

    private async Task<string> JudgeAsync(Show show, int seatNo, Visitor owner, string reservation, Reply pay, Reply hold)
    {
        var status = await Rig.Database.StatusAsync(reservation);
        var spent = await Rig.Database.SpentAsync(owner.UserId);
        var balance = await owner.BalanceAsync();
        if (pay.Status == 201)
        {
            hold.ExpectProblem(409, "seat_taken");
            await Assert.That((status, spent, balance)).IsEqualTo(("CONFIRMED", (1L, 1L, show.Price), 0L));
            await Rig.Database.ExpectOneOwnerAsync(show, seatNo, reservation);
            return "paid";
        }

        pay.ExpectProblem(410, "hold_expired");
        await Assert.That((spent, balance)).IsEqualTo(((0L, 0L, 0L), show.Price));
        if (hold.Status == 201)
        {
            await Assert.That(status).IsEqualTo("EXPIRED");
            await Rig.Database.ExpectOneOwnerAsync(show, seatNo, hold.Value("reservationId"));
            return "expired, seat taken over";
        }
        hold.ExpectProblem(409, "seat_taken");
        return "expired, seat not taken";
    }

    [Test]
    public async Task PayAndRelease_AtOnce_ExactlyOneHappens()
    {
        var paid = 0;
        for (var batch = 0; batch < 10; batch++)
        {
            var show = await Rig.Catalogue.AddShowAsync(Batch);
            var users = await Rig.AdmittedAsync(show, Batch, points: show.Price, Rig.A, Rig.B);
            var reservations = await Rush.AllAtOnceAsync(Batch, seat => users[seat].HeldAsync(show, seat + 1));

            var pairs = await Rush.AllAtOnceAsync(Batch, async seat =>
            {
                var user = users[seat];
                var pay = AfterAsync(Random.Shared.Next(3), () => user.PayAsync(reservations[seat]));
                var release = AfterAsync(Random.Shared.Next(3), () => user.ReleaseAsync(reservations[seat]));
                return (User: user, Id: reservations[seat], Pay: await pay, Release: await release);
            });

            foreach (var (user, id, pay, release) in pairs)
            {
                if (pay.Status == 201)
                    release.ExpectProblem(409, "already_paid");
                else
                    pay.ExpectProblem(410, "hold_expired");
                if (pay.Status != 201)
                    release.Expect(204);
                paid += pay.Status == 201 ? 1 : 0;
                await Assert.That(await Rig.Database.StatusAsync(id)).IsEqualTo(pay.Status == 201 ? "CONFIRMED" : "RELEASED");
                await Assert.That(await user.BalanceAsync()).IsEqualTo(pay.Status == 201 ? 0 : show.Price);
            }
        }

        await Assert.That(paid).IsBetween(10, 490);
        await Rig.VerifyAsync();
    }

    private static async Task<Reply> AfterAsync(int milliseconds, Func<Task<Reply>> send)
    {
        await Task.Delay(milliseconds);
        return await send();
    }
}
