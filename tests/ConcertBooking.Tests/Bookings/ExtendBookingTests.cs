using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

public sealed class ExtendBookingTests : SharedRigTests
{
    [Test]
    public async Task ExtendBooking_Held_Returns200AndOnceOnly()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        var bookingId = held.Value("bookingId");
        await Rig.Database.EndHoldsAsync(TimeSpan.FromSeconds(100), "booking_id = @id", ("@id", Guid.Parse(bookingId)));
        var before = TimeProvider.System.GetUtcNow();

        var extended = (await visitor.ExtendAsync(bookingId)).Expect(200)
            .ExpectMembers("bookingId", "scheduleId", "status", "total", "heldUntil", "extensionsLeft", "seats");

        await Assert.That(extended.Value("bookingId")).IsEqualTo(bookingId);
        await Assert.That(extended.Value("status")).IsEqualTo("HELD");
        await Assert.That(extended.Json.Moment("heldUntil") - before).IsBetween(TimeSpan.FromSeconds(295), TimeSpan.FromSeconds(330));
        await Assert.That(extended.Number("extensionsLeft")).IsEqualTo(0);
        await Assert.That(extended.Seats()).IsEqualTo("1 HELD, 2 HELD");
        await Assert.That(extended.Number("total")).IsEqualTo(2 * show.Price);
        foreach (var seat in extended.Items("seats"))
        {
            var reservation = (await visitor.ReservationAsync(seat.Value("reservationId"))).Expect(200);
            await Assert.That(reservation.Json.Moment("heldUntil")).IsEqualTo(extended.Json.Moment("heldUntil"));
        }

        visitor.Api = Rig.B.Api;
        (await visitor.ExtendAsync(bookingId)).ExpectProblem(409, "extension_limit_reached");
        await Assert.That((await visitor.BookingAsync(bookingId)).Expect(200).Text).IsEqualTo(extended.Text);
    }

    /// <summary>Two tabs, or a client that was not patient: the limit counts what was done.</summary>
    [Test]
    public async Task ExtendBooking_AtOnce_ExtendsOnce()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);

        var replies = await Rush.AllAtOnceAsync(6, number => (number % 2 == 0 ? Rig.A : Rig.B).Api.SendAsync(
            HttpMethod.Post, $"/v1/bookings/{bookingId}/extension", null, visitor.InQueue()));

        foreach (var refused in replies.Where(static reply => reply.Status is not (200 or 503)))
        {
            refused.ExpectProblem(409, "extension_limit_reached");
        }

        await Assert.That(replies.Count(static reply => reply.Status == 200)).IsLessThanOrEqualTo(1);
        await Eventually.AnsweredAsync(() => visitor.ExtendAsync(bookingId));
        await Assert.That(await Rig.Database.ScalarAsync<int>(
            "SELECT extensions FROM booking WHERE booking_id = @id", ("@id", Guid.Parse(bookingId)))).IsEqualTo(1);
    }

    [Test]
    public async Task ExtendBooking_AfterASeatWasTakenOut_ExtendsTheRest()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);
        (await visitor.ReleaseAsync(held.ReservationOf(1))).Expect(204);

        var extended = (await visitor.ExtendAsync(held.Value("bookingId"))).Expect(200);

        await Assert.That(extended.Seats()).IsEqualTo("2 HELD, 3 HELD");
        await Assert.That(await Rig.Database.SeatRowsAsync(held.Value("bookingId"))).IsEqualTo("1 RELEASED, 2 HELD, 3 HELD");
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task ExtendBooking_OfAReservation_Returns200()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        (await visitor.ExtendAsync(await visitor.HeldAsync(show, seatNo: 3))).Expect(200);
    }

    [Test]
    public async Task ExtendBooking_WithSettingOfZero_Returns409()
    {
        await using var strict = await Rig.StartAsync(new Dictionary<string, string?> { ["Holds__MaxExtensions"] = "0" });
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        visitor.Api = strict.Api;
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);

        (await visitor.ExtendAsync(held.Value("bookingId"))).ExpectProblem(409, "extension_limit_reached");

        await Assert.That(held.Number("extensionsLeft")).IsEqualTo(0);
        await Assert.That((await visitor.BookingAsync(held.Value("bookingId"))).Expect(200).Text).IsEqualTo(held.Text);
    }

    [Test]
    public async Task ExtendBooking_WithSettings_ThatOftenAndThatLong()
    {
        await using var patient = await Rig.StartAsync(
            new Dictionary<string, string?> { ["Holds__MaxExtensions"] = "2", ["Holds__Seconds"] = "900" });
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        visitor.Api = patient.Api;
        var before = TimeProvider.System.GetUtcNow();

        var first = (await visitor.ExtendAsync(bookingId)).Expect(200);

        await Assert.That(first.Number("extensionsLeft")).IsEqualTo(1);
        await Assert.That(first.Json.Moment("heldUntil") - before).IsBetween(TimeSpan.FromSeconds(895), TimeSpan.FromSeconds(930));
        await Assert.That((await visitor.ExtendAsync(bookingId)).Expect(200).Number("extensionsLeft")).IsEqualTo(0);
        (await visitor.ExtendAsync(bookingId)).ExpectProblem(409, "extension_limit_reached");
    }

    [Test]
    public async Task ExtendBooking_Paid_Returns409()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 2 * show.Price);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);
        await visitor.HeldTogetherAsync(show, 3); // keeps the place
        (await visitor.PayBookingAsync(bookingId)).Expect(201);

        (await visitor.ExtendAsync(bookingId)).ExpectProblem(409, "already_paid");
    }

    [Test]
    public async Task ExtendBooking_OverdueOrReleased_Returns410()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var (overdue, released) = (await visitor.HeldTogetherAsync(show, 1, 2), await visitor.HeldTogetherAsync(show, 3, 4));
        await Rig.Database.LetBookingPassAsync(overdue);
        (await visitor.ReleaseBookingAsync(released)).Expect(204);

        (await visitor.ExtendAsync(overdue)).ExpectProblem(410, "hold_expired");
        (await visitor.ExtendAsync(released)).ExpectProblem(410, "hold_expired");

        await Assert.That((await visitor.BookingAsync(overdue)).Expect(200).Value("status")).IsEqualTo("EXPIRED");
        await Assert.That(await Rig.Database.SeatRowsAsync(released)).IsEqualTo("3 RELEASED, 4 RELEASED");
    }

    /// <summary>Nobody sweeps here: the statement itself must see that it is too late.</summary>
    [Test]
    public async Task ExtendBooking_OverdueWithoutASweeper_Returns410()
    {
        await using var alone = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["Roles"] = "api" });
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var overdue = await visitor.HeldTogetherAsync(show, 1, 2);
        await alone.Database.LetBookingPassAsync(overdue);

        (await visitor.ExtendAsync(overdue)).ExpectProblem(410, "hold_expired");

        (await (await Rig.NewVisitor(alone).AdmittedAsync(show)).HoldTogetherAsync(show, 1, 2)).Expect(201);
    }

    [Test]
    public async Task ExtendBooking_OfAnotherUser_Returns404()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var owner = await Rig.NewVisitorAsync(show);
        var held = (await owner.HoldTogetherAsync(show, 1, 2)).Expect(201);

        (await (await Rig.NewVisitorAsync(show)).ExtendAsync(held.Value("bookingId"))).ExpectProblem(404, "booking_not_found");
        (await owner.ExtendAsync(held.ReservationOf(1))).ExpectProblem(404, "booking_not_found");

        await Assert.That((await owner.BookingAsync(held.Value("bookingId"))).Expect(200).Text).IsEqualTo(held.Text);
    }

    [Test]
    [Arguments("019a0000-0000-7000-8000-000000000000")]
    [Arguments("7")]
    public async Task ExtendBooking_Unknown_Returns404(string bookingId)
    {
        var visitor = await Rig.NewVisitorAsync(await Rig.Catalogue.AddShowAsync());

        (await visitor.ExtendAsync(bookingId)).ExpectProblem(404, "booking_not_found");
    }

    [Test]
    public async Task ExtendBooking_WithTokenOfAnotherQueue_Returns403()
    {
        var (show, other) = (await Rig.Catalogue.AddShowAsync(), await Rig.Catalogue.AddShowAsync());
        var visitor = await Rig.NewVisitorAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2)).Expect(201);
        await visitor.AdmittedAsync(other);

        (await visitor.ExtendAsync(held.Value("bookingId"))).ExpectProblem(403, "queue_token_not_active");

        await Assert.That((await visitor.BookingAsync(held.Value("bookingId"))).Expect(200).Text).IsEqualTo(held.Text);
    }

    [Test]
    public async Task ExtendBooking_WithoutQueueToken_Returns401()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);
        var bookingId = await visitor.HeldTogetherAsync(show, 1, 2);

        (await visitor.PostAsync($"/v1/bookings/{bookingId}/extension", null)).ExpectProblem(401, "queue_token_missing");
        visitor.QueueToken = "forged";
        (await visitor.ExtendAsync(bookingId)).ExpectProblem(401, "queue_token_invalid");
    }

    /// <summary>What a user holds it may extend until the hold ends, whatever has become of its place.</summary>
    [Test]
    public async Task ExtendBooking_PlaceIsGone_ExtendsWhatIsHeldAndNothingElse()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        var visitor = await Rig.NewVisitorAsync(show);
        var (held, released) = (await visitor.HeldTogetherAsync(show, 1, 2), await visitor.HeldTogetherAsync(show, 3));
        (await visitor.ReleaseBookingAsync(released)).Expect(204);
        (await visitor.LeaveAsync()).Expect(204);

        (await visitor.ExtendAsync(released)).ExpectProblem(410, "queue_token_expired");
        (await visitor.ExtendAsync(held)).Expect(200);
        (await visitor.ExtendAsync(held)).ExpectProblem(409, "extension_limit_reached");
    }

    [Test]
    public async Task ExtendBooking_WaitingAgain_ExtendsWhatIsHeldAndNothingElse()
    {
        var show = await Rig.Catalogue.AddShowAsync(maxActive: 1);
        var visitor = await Rig.NewVisitorAsync(show);
        var held = await visitor.HeldTogetherAsync(show, 1, 2);
        await Rig.NewVisitor().EnteredAsync(show.Queue);
        (await visitor.LeaveAsync()).Expect(204);
        await visitor.EnteredAsync(show.Queue);

        (await visitor.ExtendAsync(Guid.NewGuid().ToString())).ExpectProblem(403, "queue_token_not_active");
        (await visitor.ExtendAsync(held)).Expect(200);
    }
}
