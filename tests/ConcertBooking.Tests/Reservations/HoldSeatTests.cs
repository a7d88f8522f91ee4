using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Reservations;

public sealed class HoldSeatTests : SharedRigTests
{
    /// <summary>Nobody sweeps the database of such an instance.</summary>
    private static readonly Dictionary<string, string?> ApiOnly = new() { ["Roles"] = "api" };

    private static readonly string[] Members = ["reservationId", "bookingId", "scheduleId", "seatNo", "status", "price", "heldUntil"];

    [Test]
    public async Task HoldSeat_FreeSeat_Returns201WithLocation()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 42_000);
        var visitor = await Rig.NewVisitorAsync(show);
        var before = TimeProvider.System.GetUtcNow();

        var reply = (await visitor.HoldAsync(show, seatNo: 7)).Expect(201).ExpectMembers(Members);

        var reservationId = reply.Value("reservationId");
        await Assert.That(Guid.Parse(reservationId).Version).IsEqualTo(7);
        await Assert.That(reply.Number("scheduleId")).IsEqualTo(show.ScheduleId);
        await Assert.That(reply.Number("seatNo")).IsEqualTo(7);
        await Assert.That(reply.Value("status")).IsEqualTo("HELD");
        await Assert.That(reply.Number("price")).IsEqualTo(42_000);
        await Assert.That(reply.Json.Moment("heldUntil") - before).IsBetween(TimeSpan.FromSeconds(295), TimeSpan.FromSeconds(330));
        await Assert.That(new Uri(Rig.A.Api.Address, reply.Header("Location")!).AbsolutePath)
            .IsEqualTo($"/v1/reservations/{reservationId}");
        var read = (await visitor.GetAsync(reply.Header("Location")!)).Expect(200);
        await Assert.That(read.Text).IsEqualTo(reply.Text);
    }

    [Test]
    public async Task HoldSeat_OwnHeldSeatOnTheOtherInstance_Returns200SameReservation()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var first = (await visitor.HoldAsync(show)).Expect(201);
        visitor.Api = Rig.B.Api;

        var again = (await visitor.HoldAsync(show)).Expect(200);

        await Assert.That(again.Text).IsEqualTo(first.Text);
    }

    [Test]
    public async Task HoldSeat_LostToAnother_LeavesTheLockToTheOwner()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var (owner, loser) = (await Rig.NewVisitorAsync(show), await Rig.NewVisitorAsync(show));
        var held = (await owner.HoldAsync(show)).Expect(201);
        await Eventually.TrueAsync(async () => await Rig.SeatLockAsync(show) is null);

        // The lock lives half a second: on a busy machine it may have expired before it is read, but it is never another user's.
        await Eventually.TrueAsync(async () =>
        {
            (await loser.HoldAsync(show)).ExpectProblem(409, "seat_taken");
            var lockOwner = await Rig.SeatLockAsync(show);
            await Assert.That(lockOwner).IsEqualTo(owner.UserId).Or.IsNull();
            return lockOwner is not null;
        });
        await Assert.That((await owner.HoldAsync(show)).Expect(200).Text).IsEqualTo(held.Text);
    }

    [Test]
    public async Task HoldSeat_LostThenReleased_IsFreeAtOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var (owner, loser) = (await Rig.NewVisitorAsync(show), await Rig.NewVisitorAsync(show));
        var reservationId = await owner.HeldAsync(show);
        (await loser.HoldAsync(show)).ExpectProblem(409, "seat_taken");

        (await owner.ReleaseAsync(reservationId)).Expect(204);

        (await loser.HoldAsync(show)).Expect(201);
    }

    /// <summary>Or it could outlive the hold.</summary>
    [Test]
    public async Task HoldSeat_ForAMoment_LeavesNoLock()
    {
        await using var hasty = await Rig.StartAsync(new Dictionary<string, string?> { ["Holds__Seconds"] = "1" });
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        visitor.Api = hasty.Api;

        await visitor.HeldAsync(show);

        await Assert.That(await Rig.SeatLockAsync(show)).IsNull();
    }

    [Test]
    public async Task HoldSeat_WithSettingHoldsSeconds_IsHeldThatLong()
    {
        await using var hasty = await Rig.StartAsync(new Dictionary<string, string?> { ["Holds__Seconds"] = "30" });
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        visitor.Api = hasty.Api;
        var before = TimeProvider.System.GetUtcNow();

        var reply = (await visitor.HoldAsync(show)).Expect(201);

        await Assert.That(reply.Json.Moment("heldUntil") - before).IsBetween(TimeSpan.FromSeconds(25), TimeSpan.FromSeconds(60));
    }

    [Test]
    public async Task HoldSeat_HeldByAnother_Returns409OnBothInstances()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        await (await Rig.NewVisitorAsync(show)).HeldAsync(show);
        var late = await Rig.NewVisitorAsync(show);

        (await late.HoldAsync(show)).ExpectProblem(409, "seat_taken");
        late.Api = Rig.B.Api;
        (await late.HoldAsync(show)).ExpectProblem(409, "seat_taken");
        (await late.HoldAsync(show, seatNo: 2)).Expect(201);
    }

    [Test]
    public async Task HoldSeat_SoldSeat_Returns409ToAll()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var buyer = await Rig.NewVisitorAsync(show, points: show.Price);
        (await buyer.PayAsync(await buyer.HeldAsync(show))).Expect(201);
        await buyer.AdmittedAsync(show);

        (await buyer.HoldAsync(show)).ExpectProblem(409, "seat_taken");
        (await (await Rig.NewVisitorAsync(show)).HoldAsync(show)).ExpectProblem(409, "seat_taken");
    }

    [Test]
    public async Task HoldSeat_ReleasedSeat_Returns201AtOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var first = await Rig.NewVisitorAsync(show);
        (await first.ReleaseAsync(await first.HeldAsync(show))).Expect(204);
        var second = await Rig.NewVisitorAsync(show);
        second.Api = Rig.B.Api;

        (await second.HoldAsync(show)).Expect(201);
    }

    [Test]
    public async Task HoldSeat_OverdueHold_Returns201ToAnother()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var first = await Rig.NewVisitorAsync(show);
        var overdue = await first.HeldAsync(show);
        var second = await Rig.NewVisitorAsync(show);
        await Rig.Database.LetHoldPassAsync(overdue);

        (await second.HoldAsync(show)).Expect(201);

        await Assert.That((await first.ReservationAsync(overdue)).Expect(200).Value("status")).IsEqualTo("EXPIRED");
        await Assert.That(await Rig.Database.StatusAsync(overdue)).IsEqualTo("EXPIRED");
    }

    [Test]
    public async Task HoldSeat_OverdueHoldWithoutASweeper_Returns201ToAnother()
    {
        await using var alone = await Rig.StartAloneAsync(ApiOnly);
        var show = await alone.Catalogue.AddShowAsync();
        var first = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var overdue = await first.HeldAsync(show);
        await alone.Database.LetHoldPassAsync(overdue);
        var second = await Rig.NewVisitor(alone).AdmittedAsync(show);

        (await first.ReleaseAsync(overdue)).ExpectProblem(410, "hold_expired");
        (await first.PayAsync(overdue)).ExpectProblem(410, "hold_expired");
        (await second.HoldAsync(show)).Expect(201);

        await Assert.That(await alone.Database.StatusAsync(overdue)).IsEqualTo("EXPIRED");
    }

    [Test]
    public async Task HoldSeat_OwnOverdueHold_Returns201Anew()
    {
        await using var alone = await Rig.StartAloneAsync(ApiOnly);
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var overdue = await visitor.HeldAsync(show);
        await alone.Database.LetHoldPassAsync(overdue);

        await Assert.That(await visitor.HeldAsync(show)).IsNotEqualTo(overdue);
    }

    [Test]
    public async Task HoldSeat_ExpiredByHand_Returns201()
    {
        await using var alone = await Rig.StartAloneAsync(ApiOnly);
        var show = await alone.Catalogue.AddShowAsync();
        var overdue = await (await Rig.NewVisitor(alone).AdmittedAsync(show)).HeldAsync(show, seatNo: 4);
        await alone.Database.LetHoldPassAsync(overdue);

        var (found, expired) = await alone.Database.ExpireByHandAsync();

        await Assert.That(found).IsEquivalentTo([Guid.Parse(overdue)]);
        await Assert.That(expired).IsEqualTo(1);
        (await (await Rig.NewVisitor(alone).AdmittedAsync(show)).HoldAsync(show, seatNo: 4)).Expect(201);
    }

    [Test]
    public async Task HoldSeat_WithoutQueueToken_Returns401Missing()
    {
        var show = await Rig.Catalogue.AddShowAsync();

        (await Rig.NewVisitor().HoldAsync(show)).ExpectProblem(401, "queue_token_missing");
        (await Rig.NewVisitor().PostAsync("/v1/reservations", $$"""{"scheduleId":{{show.ScheduleId}},"seatNo":1}"""))
            .ExpectProblem(401, "queue_token_missing");
    }

    [Test]
    public async Task HoldSeat_WithForgedQueueToken_Returns401Invalid()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        visitor.QueueToken = visitor.QueueToken![..^4] + "AAAA";

        (await visitor.HoldAsync(show)).ExpectProblem(401, "queue_token_invalid");
    }

    [Test]
    public async Task HoldSeat_Waiting_Returns403()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        await Rig.NewVisitorAsync(show);
        var waiting = Rig.NewVisitor();
        await waiting.EnteredAsync(show.Queue);

        (await waiting.HoldAsync(show)).ExpectProblem(403, "queue_token_not_active");
    }

    [Test]
    public async Task HoldSeat_WithTokenOfAnotherQueue_Returns403()
    {
        var (show, other) = (await Rig.Catalogue.AddShowAsync(), await Rig.Catalogue.AddShowAsync());
        var visitor = await Rig.NewVisitorAsync(other);

        (await visitor.HoldAsync(show)).ExpectProblem(403, "queue_token_not_active");

        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT COUNT(*) FROM reservation WHERE schedule_id = @schedule", ("@schedule", show.ScheduleId))).IsEqualTo(0);
    }

    [Test]
    public async Task HoldSeat_UnknownSchedule_Returns404()
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());

        (await visitor.HoldAsync(long.MaxValue, 1)).ExpectProblem(404, "schedule_not_found");
    }

    [Test]
    [Arguments(11)]
    [Arguments(2_147_483_647)]
    public async Task HoldSeat_UnknownSeat_Returns404(long seatNo)
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 10);

        (await (await Rig.NewVisitorAsync(show)).HoldAsync(show, seatNo)).ExpectProblem(404, "seat_not_found");
    }

    [Test]
    public async Task HoldSeat_ConcertHasStarted_Returns409Closed()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var started = await Rig.Catalogue.AddScheduleAsync(show.ConcertId, startsAt: TimeProvider.System.GetUtcNow().AddMinutes(-1));

        (await (await Rig.NewVisitorAsync(show)).HoldAsync(started, 1)).ExpectProblem(409, "schedule_closed");
    }

    [Test]
    public async Task HoldSeat_FifthSeatOfOneUser_Returns409UntilOneIsGivenBack()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var first = await visitor.HeldAsync(show, seatNo: 1);
        for (var seatNo = 2; seatNo <= 4; seatNo++)
        {
            await visitor.HeldAsync(show, seatNo);
        }

        (await visitor.HoldAsync(show, seatNo: 5)).ExpectProblem(409, "hold_limit_reached");
        (await visitor.HoldAsync(show, seatNo: 4)).Expect(200);

        (await visitor.ReleaseAsync(first)).Expect(204);
        (await visitor.HoldAsync(show, seatNo: 5)).Expect(201);
    }

    [Test]
    public async Task HoldSeat_OverdueAndPaidSeats_DoNotCountForTheLimit()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"maxPerUser":0}""")).Expect(200);
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var paid = await visitor.HeldAsync(show, seatNo: 1);
        var overdue = await visitor.HeldAsync(show, seatNo: 2);
        await visitor.HeldAsync(show, seatNo: 3);
        await visitor.HeldAsync(show, seatNo: 4);
        (await visitor.PayAsync(paid)).Expect(201);
        await Rig.Database.LetHoldPassAsync(overdue);

        (await visitor.HoldAsync(show, seatNo: 5)).Expect(201);
        (await visitor.HoldAsync(show, seatNo: 6)).Expect(201);
        (await visitor.HoldAsync(show, seatNo: 7)).ExpectProblem(409, "hold_limit_reached");
    }

    /// <summary>Whoever may hold no more asks for free seats again and again, while others want them.</summary>
    [Test]
    public async Task HoldSeat_BesideOneAtTheLimit_IsNotRefusedForThem()
    {
        var show = await Rig.Catalogue.AddShowAsync(seats: 50);
        var greedy = await Rig.NewVisitorAsync(show);
        for (var seatNo = 1; seatNo <= 4; seatNo++)
        {
            await greedy.HeldAsync(show, seatNo);
        }

        var others = await Rig.AdmittedAsync(show, 40);

        foreach (var (index, other) in others.Index())
        {
            var refused = Rush.AllAtOnceAsync(3, _ => greedy.HoldAsync(show, 5 + index));
            (await other.HoldAsync(show, 5 + index)).Expect(201);
            foreach (var reply in await refused)
            {
                await Assert.That(reply.Code).IsEqualTo("hold_limit_reached").Or.IsEqualTo("seat_taken");
            }
        }
    }

    [Test]
    public async Task HoldSeat_WithSettingMaxPerUser_IsTheLimit()
    {
        await using var strict = await Rig.StartAsync(new Dictionary<string, string?> { ["Holds__MaxPerUser"] = "1" });
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        visitor.Api = strict.Api;
        await visitor.HeldAsync(show, seatNo: 1);

        (await visitor.HoldAsync(show, seatNo: 2)).ExpectProblem(409, "hold_limit_reached");
    }

    [Test]
    public async Task HoldSeat_AdmissionIsOver_Returns410()
    {
        var show = await Rig.Catalogue.AddShowAsync(activeSeconds: 1);
        var visitor = await Rig.NewVisitorAsync(show);
        var token = visitor.QueueToken;
        await Eventually.GetAsync(visitor.PlaceAsync, place => place.Status == 410);
        visitor.QueueToken = token;

        (await visitor.HoldAsync(show)).ExpectProblem(410, "queue_token_expired");
    }

    [Test]
    [Arguments("""{"scheduleId":"1","seatNo":1}""", "scheduleId")]
    [Arguments("""{"scheduleId":1,"seatNo":"1"}""", "seatNo")]
    [Arguments("""{"scheduleId":1,"seatNo":1.5}""", "seatNo")]
    [Arguments("""{"scheduleId":1,"seatNo":null}""", "seatNo")]
    [Arguments("""{"scheduleId":1,"seatNo":0}""", "seatNo")]
    [Arguments("""{"scheduleId":1,"seatNo":-3}""", "seatNo")]
    [Arguments("""{"scheduleId":1,"seatNo":99999999999}""", "seatNo")]
    [Arguments("""{"scheduleId":0,"seatNo":1}""", "scheduleId")]
    [Arguments("""{"scheduleId":99999999999999999999,"seatNo":1}""", "scheduleId")]
    [Arguments("""{"scheduleId":1}""", null)]
    [Arguments("""{"seatNo":1}""", null)]
    [Arguments("{}", null)]
    [Arguments("[]", null)]
    [Arguments("""{"scheduleId":1,"seatNo":1""", null)]
    [Arguments("""{"scheduleId":1,"seatNo":1}}""", null)]
    public async Task HoldSeat_MalformedBody_Returns400(string body, string? field)
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());

        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/reservations", body, visitor.InQueue())).ExpectInvalid(field);
    }

    [Test]
    [Arguments(null)]
    [Arguments("")]
    [Arguments("null")]
    public async Task HoldSeat_NoBody_Returns400(string? body)
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());
        var headers = visitor.InQueue();

        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/reservations", body, headers)).ExpectProblem(400, "invalid_request");
    }

    [Test]
    public async Task HoldSeat_UnknownMembers_AreIgnored()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var body = $$"""{"userId":1,"scheduleId":{{show.ScheduleId}},"colour":{"r":[1]},"seatNo":1}""";

        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/reservations", body, visitor.InQueue())).Expect(201);

        await Assert.That(await Rig.Database.ScalarAsync<long>(
            "SELECT user_id FROM reservation WHERE schedule_id = @schedule", ("@schedule", show.ScheduleId))).IsEqualTo(visitor.UserId);
    }
}
