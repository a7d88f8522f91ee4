using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Payments;

public sealed class PayTests : SharedRigTests
{
    [Test]
    public async Task Pay_HeldSeat_Returns201AndConfirms()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 30_000);
        var visitor = await Rig.NewVisitorAsync(show, points: 100_000);
        var reservationId = await visitor.HeldAsync(show, seatNo: 7);
        var before = TimeProvider.System.GetUtcNow();

        var reply = (await visitor.PayAsync(reservationId))
            .Expect(201).ExpectMembers("paymentId", "bookingId", "reservationId", "amount", "balance", "paidAt");

        await Assert.That(Guid.Parse(reply.Value("paymentId")).Version).IsEqualTo(7);
        await Assert.That(reply.Value("reservationId")).IsEqualTo(reservationId);
        await Assert.That(reply.Number("amount")).IsEqualTo(30_000);
        await Assert.That(reply.Number("balance")).IsEqualTo(70_000);
        await Assert.That((reply.Json.Moment("paidAt") - before).Duration()).IsLessThan(TimeSpan.FromSeconds(30));
        await Assert.That(reply.Header("Idempotency-Replayed")).IsNull();
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(70_000);
        await Assert.That((await visitor.ReservationAsync(reservationId)).Expect(200).Value("status")).IsEqualTo("CONFIRMED");
    }

    /// <summary>SQL writes the answer of the payment, and the record PaymentResponse the one of the read.</summary>
    [Test]
    public async Task Pay_Answer_HasTheMembersOfTheRecord()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 3 * show.Price);

        var paid = (await visitor.PayAsync(await visitor.HeldAsync(show))).Expect(201).Json;

        var read = (await visitor.GetAsync($"/v1/payments/{paid.Value("paymentId")}")).Expect(200).Json;
        paid.ExpectMembers([.. read.EnumerateObject().Select(static member => member.Name)]);
        await Assert.That(paid.Moment("paidAt")).IsEqualTo(read.Moment("paidAt")); // trailing zeros may differ
        foreach (var member in read.EnumerateObject().Where(static member => member.Name != "paidAt"))
        {
            await Assert.That(paid.GetProperty(member.Name).GetRawText()).IsEqualTo(member.Value.GetRawText()).Because(member.Name);
        }
    }

    [Test]
    public async Task Pay_Paid_IsInTheLedger()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show, seatNo: 2);

        var paid = (await visitor.PayAsync(reservationId)).Expect(201);

        var use = (await visitor.GetAsync("/v1/points/transactions")).Expect(200).Items()[0];
        await Assert.That(use.Value("type")).IsEqualTo("USE");
        await Assert.That(use.Number("amount")).IsEqualTo(show.Price);
        await Assert.That(use.Number("balance")).IsEqualTo(0);
        await Assert.That(use.Value("reference")).IsEqualTo(paid.Value("paymentId"));
    }

    [Test]
    public async Task Pay_FreeSeat_Returns201WithoutPoints()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 0);
        var visitor = await Rig.NewVisitorAsync(show);

        var reply = (await visitor.PayAsync(await visitor.HeldAsync(show))).Expect(201);

        await Assert.That(reply.Number("amount")).IsEqualTo(0);
        await Assert.That(reply.Number("balance")).IsEqualTo(0);
    }

    [Test]
    public async Task Pay_PriceWasRaisedAfterTheHold_CostsWhatTheHoldSaid()
    {
        var show = await Rig.Catalogue.AddShowAsync(price: 10_000);
        var visitor = await Rig.NewVisitorAsync(show, points: 10_000);
        var reservationId = await visitor.HeldAsync(show);
        (await Rig.Admin.SendAsync(HttpMethod.Patch, $"/v1/admin/schedules/{show.ScheduleId}", """{"price":90000}""")).Expect(200);

        await Assert.That((await visitor.PayAsync(reservationId)).Expect(201).Number("amount")).IsEqualTo(10_000);
    }

    [Test]
    public async Task Pay_Repeated_ReturnsTheSameBytesOnBothInstancesAlthoughTheTokenIsUsedUp()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var reservationId = await visitor.HeldAsync(show);
        var key = Visitor.NewKey();
        var first = (await visitor.PayAsync(reservationId, key)).Expect(201);
        (await visitor.PayAsync(reservationId)).ExpectProblem(410, "queue_token_expired");

        foreach (var instance in (Instance[])[Rig.A, Rig.B])
        {
            visitor.Api = instance.Api;
            var repeat = (await visitor.PayAsync(reservationId, key)).Expect(201);
            await Assert.That(repeat.Body.AsSpan().SequenceEqual(first.Body)).IsTrue();
            await Assert.That(repeat.Header("Idempotency-Replayed")).IsEqualTo("true");
            await Assert.That(repeat.Header("Content-Type")).IsEqualTo(first.Header("Content-Type"));
        }

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(show.Price);
    }

    [Test]
    public async Task Pay_LastHeldSeat_UsesTheTokenUpAndHandsThePlaceOn()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var next = Rig.NewVisitor(Rig.B);
        await next.EnteredAsync(show.Queue);
        var (one, two) = (await visitor.HeldAsync(show, seatNo: 1), await visitor.HeldAsync(show, seatNo: 2));

        (await visitor.PayAsync(one)).Expect(201);
        (await visitor.PlaceAsync()).Expect(200);
        await Assert.That((await next.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("WAITING");

        (await visitor.PayAsync(two)).Expect(201);
        (await visitor.PlaceAsync()).ExpectProblem(410, "queue_token_expired");
        (await visitor.HoldAsync(show, seatNo: 3)).ExpectProblem(410, "queue_token_expired");
        await Assert.That((await next.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
    }

    [Test]
    public async Task Pay_WithoutKey_Returns400()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var body = $$"""{"reservationId":"{{await visitor.HeldAsync(show)}}"}""";

        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/payments", body, visitor.InQueue())).ExpectProblem(400, "idempotency_key_missing");
        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/payments", body, visitor.InQueue(("Idempotency-Key", ""))))
            .ExpectProblem(400, "idempotency_key_missing");
    }

    [Test]
    [Arguments("{}")]
    [Arguments("""{"reservationId":null}""")]
    [Arguments("""{"reservationId":7}""")]
    [Arguments("""{"reservationId":"x" """)]
    [Arguments("""{"reservationId":""}""")]
    [Arguments("""{"reservationId":"   "}""")]
    [Arguments("""{"reservationId":"00000000-0000-0000-0000-000000000000 00000000-0000-0000-0000-0000"}""")]
    public async Task Pay_MalformedBody_Returns400(string body)
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());

        (await Rig.A.Api.SendAsync(HttpMethod.Post, "/v1/payments", body, visitor.InQueue(("Idempotency-Key", Visitor.NewKey()))))
            .ExpectInvalid();
    }

    [Test]
    public async Task Pay_TooFewPoints_Returns402AndMayBeRetriedWithTheSameKey()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price - 1);
        var reservationId = await visitor.HeldAsync(show);
        var key = Visitor.NewKey();

        (await visitor.PayAsync(reservationId, key)).ExpectProblem(402, "insufficient_points");

        await Assert.That(await Rig.Database.StatusAsync(reservationId)).IsEqualTo("HELD");
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(show.Price - 1);
        (await visitor.ChargeAsync(1)).Expect(201);
        var retried = (await visitor.PayAsync(reservationId, key)).Expect(201);
        await Assert.That(retried.Header("Idempotency-Replayed")).IsNull();
    }

    [Test]
    public async Task Pay_UserWithoutAnyPoints_Returns402()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        (await visitor.PayAsync(await visitor.HeldAsync(show))).ExpectProblem(402, "insufficient_points");
    }

    [Test]
    public async Task Pay_WithoutQueueToken_Returns401Missing() =>
        (await Rig.NewVisitor().PayAsync(Guid.NewGuid().ToString())).ExpectProblem(401, "queue_token_missing");

    [Test]
    public async Task Pay_WithForgedQueueToken_Returns401Invalid()
    {
        var visitor = Rig.NewVisitor();
        visitor.QueueToken = "forged";

        (await visitor.PayAsync(Guid.NewGuid().ToString())).ExpectProblem(401, "queue_token_invalid");
    }

    /// <summary>What a user holds it may pay until the hold ends, whatever has become of its place.</summary>
    [Test]
    public async Task Pay_WaitingAgain_PaysWhatIsHeldAndNothingElse()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        var next = Rig.NewVisitor();
        await next.EnteredAsync(show.Queue);
        (await visitor.LeaveAsync()).Expect(204);
        await visitor.EnteredAsync(show.Queue);

        (await visitor.PayAsync(Guid.NewGuid().ToString())).ExpectProblem(403, "queue_token_not_active");
        (await visitor.HoldAsync(show, seatNo: 2)).ExpectProblem(403, "queue_token_not_active");
        (await visitor.PayAsync(reservationId)).Expect(201);
        await Assert.That((await next.PlaceAsync()).Expect(200).Value("status")).IsEqualTo("ACTIVE");
    }

    [Test]
    public async Task Pay_AdmissionIsOver_PaysWhatIsHeld()
    {
        var show = await Rig.Catalogue.AddShowAsync(activeSeconds: 5);
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var (held, token) = (await visitor.HeldAsync(show), visitor.QueueToken);
        await Eventually.GetAsync(visitor.PlaceAsync, static place => place.Status == 410);
        visitor.QueueToken = token;

        (await visitor.HoldAsync(show, seatNo: 2)).ExpectProblem(410, "queue_token_expired");
        (await visitor.PayAsync(held)).Expect(201);
        (await visitor.PayAsync(held)).ExpectProblem(410, "queue_token_expired");
        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(show.Price);
    }

    [Test]
    public async Task Pay_WithTokenOfAnotherQueue_Returns403()
    {
        var (show, other) = (await Rig.Catalogue.AddShowAsync(), await Rig.Catalogue.AddShowAsync());
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        await visitor.AdmittedAsync(other);

        (await visitor.PayAsync(reservationId)).ExpectProblem(403, "queue_token_not_active");

        await Assert.That(await Rig.Database.StatusAsync(reservationId)).IsEqualTo("HELD");
    }

    [Test]
    public async Task Pay_ReservationOfAnotherUser_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var reservationId = await (await Rig.NewVisitorAsync(show)).HeldAsync(show);
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);

        (await visitor.PayAsync(reservationId)).ExpectProblem(404, "reservation_not_found");

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(show.Price);
    }

    [Test]
    [Arguments("019a0000-0000-7000-8000-000000000000")]
    [Arguments("7")]
    public async Task Pay_UnknownReservation_Returns404(string reservationId)
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());

        (await visitor.PayAsync(reservationId)).ExpectProblem(404, "reservation_not_found");
    }

    [Test]
    public async Task Pay_PaidReservationWithAnotherKey_Returns409()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 3 * show.Price);
        var reservationId = await visitor.HeldAsync(show, seatNo: 1);
        await visitor.HeldAsync(show, seatNo: 2);
        (await visitor.PayAsync(reservationId)).Expect(201);

        (await visitor.PayAsync(reservationId)).ExpectProblem(409, "already_paid");

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(2 * show.Price);
    }

    [Test]
    public Task Pay_FirstIsStillRunning_Returns409InUse() => Eventually.InTimeAsync(Eventually.HalfARequest, async clock =>
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        var key = Visitor.NewKey();
        var balance = await Rig.Database.LockBalanceAsync(visitor.UserId);

        clock.Start();
        Task<Reply>[] running = [visitor.PayAsync(reservationId, key), visitor.PayAsync(reservationId, key)];
        var refused = await await Task.WhenAny(running);
        await balance.DisposeAsync();
        clock.Stop();

        refused.ExpectProblem(409, "idempotency_key_in_use");
        var first = (await Task.WhenAll(running)).Single(reply => reply != refused).Expect(201);
        var repeat = (await visitor.PayAsync(reservationId, key)).Expect(201);
        await Assert.That(repeat.Text).IsEqualTo(first.Text);
    });

    [Test]
    public async Task Pay_Overdue_Returns410AndMovesNothing()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        await Rig.Database.LetHoldPassAsync(reservationId);

        (await visitor.PayAsync(reservationId)).ExpectProblem(410, "hold_expired");

        await Assert.That(await visitor.BalanceAsync()).IsEqualTo(show.Price);
    }

    [Test]
    public async Task Pay_Released_Returns410()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: show.Price);
        var reservationId = await visitor.HeldAsync(show);
        (await visitor.ReleaseAsync(reservationId)).Expect(204);

        (await visitor.PayAsync(reservationId)).ExpectProblem(410, "hold_expired");
    }

    [Test]
    public async Task Pay_KeyOfAnotherReservation_Returns422()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var (one, two) = (await visitor.HeldAsync(show, seatNo: 1), await visitor.HeldAsync(show, seatNo: 2));
        var key = Visitor.NewKey();
        (await visitor.PayAsync(one, key)).Expect(201);

        (await visitor.PayAsync(two, key)).ExpectProblem(422, "idempotency_key_reused");

        (await visitor.PayAsync(two)).Expect(201);
    }

    [Test]
    public async Task Pay_SameKeyOfAnotherUserAndOfACharge_AreIndependent()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var key = Visitor.NewKey();

        for (var seatNo = 1; seatNo <= 2; seatNo++)
        {
            var visitor = await Rig.NewVisitorAsync(show);
            (await visitor.ChargeAsync(show.Price, key)).Expect(201);
            var paid = (await visitor.PayAsync(await visitor.HeldAsync(show, seatNo), key)).Expect(201);
            await Assert.That(paid.Header("Idempotency-Replayed")).IsNull();
        }
    }
}
