using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Reservations;

/// <summary>A user has a limited number of a schedule's seats, held and paid together.</summary>
public sealed class PurchaseLimitTests : SharedRigTests
{
    private const string LimitReached = "purchase_limit_reached";

    [Test]
    public async Task Hold_AsManyPaidAndHeldAsAllowed_IsRefusedUntilOneIsReleased()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 10);
        var visitor = await Rig.NewVisitorAsync(show, points: 1_000);
        await BuyAsync(visitor, show, 1, 2, 3);
        await visitor.AdmittedAsync(show);
        var last = await visitor.HeldAsync(show, seatNo: 4);

        (await visitor.HoldAsync(show, seatNo: 5)).ExpectProblem(409, LimitReached);
        await Assert.That((await visitor.HoldAsync(show, seatNo: 4)).Expect(200).Value("reservationId")).IsEqualTo(last);

        (await visitor.ReleaseAsync(last)).Expect(204);
        await Rig.Database.LetHoldPassAsync(await visitor.HeldAsync(show, seatNo: 5));
        (await visitor.PayAsync(await visitor.HeldAsync(show, seatNo: 6))).Expect(201);
        await visitor.AdmittedAsync(show);
        (await visitor.HoldAsync(show, seatNo: 7)).ExpectProblem(409, LimitReached);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Hold_LimitOfTheSchedule_CountsThereAlone()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 10);
        var visitor = await Rig.NewVisitorAsync(show, points: 1_000);
        var second = show with { ScheduleId = await Rig.Catalogue.AddScheduleAsync(show.ConcertId) };
        await LimitAsync(show, 1);
        await visitor.HeldAsync(show, seatNo: 1);
        (await visitor.HoldAsync(show, seatNo: 2)).ExpectProblem(409, LimitReached);
        await visitor.HeldAsync(second, seatNo: 1);

        await LimitAsync(show, 2);
        await visitor.HeldAsync(show, seatNo: 2);
        (await visitor.HoldAsync(show, seatNo: 3)).ExpectProblem(409, LimitReached);
        await LimitAsync(show, 0);
        await visitor.HeldAsync(show, seatNo: 3);
    }

    [Test]
    public async Task Hold_SettingOfZero_IsNoLimit()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Purchases__MaxPerUser"] = "0" });
        var show = await alone.Catalogue.AddShowAsync(price: 10);
        var visitor = Rig.NewVisitor(alone);
        for (var seat = 1; seat <= 6; seat++)
        {
            await visitor.AdmittedAsync(show, points: 10);
            await BuyAsync(visitor, show, seat);
        }

        await Assert.That(await alone.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM payment WHERE user_id = @user", ("@user", visitor.UserId))).IsEqualTo(6);
    }

    /// <summary>On two instances, paid or not: never more than four.</summary>
    [Test]
    public async Task Hold_TwentyAtOnceThenPaidAndAgain_NeverMoreThanTheLimit()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 100, price: 10);
        var visitor = await Rig.NewVisitorAsync(show, points: 1_000);
        for (var round = 0; round < 3; round++)
        {
            await visitor.EnterAsync(show.Queue);
            var first = 1 + (round * 20);
            var replies = await Rush.AllAtOnceAsync(20, number => (number % 2 == 0 ? Rig.A : Rig.B).Api.SendAsync(
                HttpMethod.Post, "/v1/reservations", $$"""{"scheduleId":{{show.ScheduleId}},"seatNo":{{first + number}}}""",
                visitor.InQueue()));
            var won = replies.Where(static reply => reply.Status == 201).ToList();
            Console.WriteLine(replies.Tally());
            await Rush.AllAnsweredAsync(won, reply => visitor.PayAsync(reply.Value("reservationId"), reply.Value("reservationId")));
            await Assert.That(await Rig.Database.ScalarAsync<long>(
                "SELECT COUNT(*) FROM reservation WHERE user_id = @user AND live = 1", ("@user", visitor.UserId))).IsLessThanOrEqualTo(4);
        }

        await Rig.VerifyAsync();
    }

    private static async Task BuyAsync(Visitor visitor, Show show, params int[] seats)
    {
        var held = new List<string>();
        foreach (var seat in seats)
        {
            held.Add(await visitor.HeldAsync(show, seat));
        }

        foreach (var reservation in held)
        {
            (await Eventually.AnsweredAsync(() => visitor.PayAsync(reservation, key: reservation))).Expect(201);
        }
    }

    private async Task LimitAsync(Show show, int seats) => (await Rig.Admin.SendAsync(
        HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", $$"""{"maxPerUser":{{seats}}}""")).Expect(200);
}
