using System.Globalization;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Faults;

/// <summary>The service's clock is ten minutes off: holds end by the database's clock and admissions by Redis's, as ever.</summary>
public sealed class WrongClock : RedisFaultTests
{
    private const int HoldSeconds = 300;

    [Test]
    [Arguments(10)]
    [Arguments(-10)]
    public async Task Expiry_ClockMinutesOff_Unchanged(int minutes)
    {
        await using var fleet = await OffByAsync(minutes);
        var show = await fleet.Catalogue.AddShowAsync();
        var owner = await fleet.NewVisitorAsync(show, points: 2 * show.Price);
        var hold = (await owner.HoldAsync(show, 1)).Expect(201);

        var now = DateTime.SpecifyKind(await fleet.Database.ScalarAsync<DateTime>("SELECT NOW(3)"), DateTimeKind.Utc);
        var left = hold.Json.Moment("heldUntil").UtcDateTime - now;
        await Assert.That(left.TotalSeconds).IsBetween(HoldSeconds - 60, HoldSeconds);

        // A hold that has time left outlives two sweeps; one that has none does not.
        var lost = await owner.HeldAsync(show, 2);
        await fleet.Database.LetHoldPassAsync(lost);
        await Eventually.TrueAsync(async () => await fleet.Database.StatusAsync(lost) == "EXPIRED");
        var third = await owner.HeldAsync(show, 3);
        await fleet.Database.LetHoldPassAsync(third);
        await Eventually.TrueAsync(async () => await fleet.Database.StatusAsync(third) == "EXPIRED");
        await Assert.That(await fleet.Database.StatusAsync(hold.Value("reservationId"))).IsEqualTo("HELD");

        (await owner.PayAsync(lost)).ExpectProblem(410, "hold_expired");
        (await owner.PayAsync(hold.Value("reservationId"))).Expect(201);
        (await (await fleet.NewVisitorAsync(show)).HoldAsync(show, 2)).Expect(201);
        await fleet.VerifyAsync();
    }

    [Test]
    [Arguments(10)]
    [Arguments(-10)]
    public async Task Admission_ClockMinutesOff_EndsByRedissClock(int minutes)
    {
        await using var fleet = await OffByAsync(minutes);
        var show = await fleet.Catalogue.AddShowAsync(activeSeconds: 6);
        var user = await fleet.NewVisitorAsync(show);
        await user.HeldAsync(show, 1);

        await Eventually.GetAsync(() => user.HoldAsync(show, 1), reply => reply.Status == 410);

        (await user.HoldAsync(show, 2)).ExpectProblem(410, "queue_token_expired");
        await fleet.VerifyAsync();
    }

    /// <summary>Without Redis the pass speaks for itself: its end is still judged by the clock that Redis had.</summary>
    [Test]
    [Arguments(10)]
    [Arguments(-10)]
    public async Task Admission_ClockMinutesOffAndRedisStopped_EndsInTime(int minutes)
    {
        await using var fleet = await OffByAsync(minutes);
        var shortly = await fleet.Catalogue.AddShowAsync(activeSeconds: 6);
        var longer = await fleet.Catalogue.AddShowAsync(activeSeconds: 60);
        var (ending, staying) = (await fleet.NewVisitorAsync(shortly), await fleet.NewVisitorAsync(longer));
        await Rig.Servers.Redis.StopAsync();

        await ending.HeldAsync(shortly, 1);
        await staying.HeldAsync(longer, 1);
        await Eventually.GetAsync(() => ending.HoldAsync(shortly, 1), reply => reply.Status == 410);
        await staying.HeldAsync(longer, 2);

        await Rig.Servers.Redis.StartAsync();
        await fleet.VerifyAsync();
    }

    /// <summary>Ids carry the clock of the instance that made them; what is newer is the database's to say.</summary>
    [Test]
    public async Task Lists_OneInstancesClockAhead_NewestFirst()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var clock = await FakeClock.OffByAsync(TimeSpan.FromSeconds(120));
        var ahead = await fleet.AddAsync([.. clock.Select(change => (change.Key, change.Value))]);
        var (right, wrong) = (fleet[0], ahead.Api);
        var show = await fleet.Catalogue.AddShowAsync();
        var owner = await fleet.NewVisitorAsync(show);
        var (held, charged) = (new List<string>(), new List<string>());
        foreach (var (index, at) in ((Api[])[right, wrong, right, wrong]).Index())
        {
            owner.Api = at;
            held.Insert(0, await owner.HeldAsync(show, index + 1));
            charged.Insert(0, (await owner.ChargeAsync(index + 1)).Expect(201).Value("chargeId"));
        }

        foreach (var at in (Api[])[right, wrong])
        {
            owner.Api = at;
            foreach (var limit in (int[])[1, 2, 3, 20])
            {
                await Assert.That(string.Join(' ', await PagesAsync(owner, "/v1/reservations", limit, "reservationId")))
                    .IsEqualTo(string.Join(' ', held));
                await Assert.That(string.Join(' ', await PagesAsync(owner, "/v1/points/transactions", limit, "reference")))
                    .IsEqualTo(string.Join(' ', charged));
            }
        }
        await fleet.VerifyAsync();
    }

    /// <summary>Rows of one moment, which a restored backup or a coarse clock may leave: every one is shown once.</summary>
    [Test]
    public async Task Lists_ManyOfOneMoment_ShowEachOnce()
    {
        await using var fleet = await Fleet.StartAsync(Rig, 1);
        var show = await fleet.Catalogue.AddShowAsync();
        var owner = await fleet.NewVisitorAsync(show);
        var held = new List<string>();
        for (var seatNo = 1; seatNo <= 4; seatNo++)
        {
            held.Add(await owner.HeldAsync(show, seatNo));
        }

        await fleet.Database.ExecuteAsync(
            "UPDATE reservation SET created_at = '2031-01-01 00:00:00' WHERE user_id = @user", ("@user", owner.UserId));

        var shown = await PagesAsync(owner, "/v1/reservations", 1, "reservationId");

        await Assert.That(string.Join(' ', shown)).IsEqualTo(string.Join(' ', held.OrderDescending(StringComparer.Ordinal)));
    }

    private static async Task<List<string>> PagesAsync(Visitor visitor, string path, int limit, string member)
    {
        var shown = new List<string>();
        string? cursor = null;
        do
        {
            var page = (await visitor.GetAsync($"{path}?limit={limit}&cursor={cursor}")).Expect(200);
            shown.AddRange(page.Items().Select(item => item.Value(member)));
            cursor = page.Json.GetProperty("nextCursor").GetString();
        }
        while (cursor is not null);
        return shown;
    }

    private async Task<Fleet> OffByAsync(int minutes)
    {
        var offset = TimeSpan.FromMinutes(minutes);
        var clock = await FakeClock.OffByAsync(offset);
        var fleet = await Fleet.StartAsync(Rig, 1, [.. clock.Select(change => (change.Key, change.Value))]);
        var answer = (await fleet[0].GetAsync("/livez")).Header("Date")!;
        var off = DateTimeOffset.Parse(answer, CultureInfo.InvariantCulture) - TimeProvider.System.GetUtcNow();
        await Assert.That((off - offset).Duration()).IsLessThan(TimeSpan.FromMinutes(1));
        return fleet;
    }
}
