using System.Text.Json;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

/// <summary>The events of bookings of several seats, which wait in the outbox where there is no Kafka.</summary>
public sealed class BookingEventTests : SharedRigTests
{
    private const string ReservationsTopic = "concert-booking.reservations";
    private const string PaymentsTopic = "concert-booking.payments";

    [Test]
    public async Task Outbox_HeldExtendedAndPaid_HasAnEventOfAllSeatsEach()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show, points: show.Price);
        var held = (await visitor.HoldTogetherAsync(show, 8, 2, 5)).Expect(201);
        var bookingId = held.Value("bookingId");
        (await visitor.HoldTogetherAsync(show, 2, 5, 8)).Expect(200);
        await (await visitor.HoldTogetherAsync(show, 5, 6)).ExpectTakenAsync(5);
        (await visitor.PayBookingAsync(bookingId, key: bookingId)).ExpectProblem(402, "insufficient_points");
        await Assert.That(await alone.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox")).IsEqualTo(1);

        var extended = (await visitor.ExtendAsync(bookingId)).Expect(200);
        (await visitor.ExtendAsync(bookingId)).ExpectProblem(409, "extension_limit_reached");
        (await visitor.ChargeAsync(2 * show.Price)).Expect(201);
        var paid = (await visitor.PayBookingAsync(bookingId, key: bookingId)).Expect(201);
        (await visitor.PayBookingAsync(bookingId, key: bookingId)).Expect(201);

        string[] types = ["booking.held.v1", "booking.extended.v1", "payment.completed.v2"];
        await Assert.That(string.Join(' ', await alone.Database.EventTypesAsync(bookingId))).IsEqualTo(string.Join(' ', types));
        await Assert.That(await alone.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox")).IsEqualTo(3);
        foreach (var (type, answer) in ((string, Reply)[])[(types[0], held), (types[1], extended)])
        {
            var published = await EventAsync(alone, bookingId, ReservationsTopic, type);
            published.ExpectMembers("bookingId", "userId", "concertId", "scheduleId", "seats", "heldUntil");
            await ExpectOfAsync(published, held, visitor, show, 2, 5, 8);
            await Assert.That(published.Moment("heldUntil")).IsEqualTo(answer.Json.Moment("heldUntil"));
        }

        var payment = await EventAsync(alone, bookingId, PaymentsTopic, types[2]);
        payment.ExpectMembers("paymentId", "bookingId", "userId", "concertId", "scheduleId", "seats", "amount", "paidAt");
        await ExpectOfAsync(payment, held, visitor, show, 2, 5, 8);
        await Assert.That(payment.Value("paymentId")).IsEqualTo(paid.Value("paymentId"));
        await Assert.That(payment.Number("amount")).IsEqualTo(3 * show.Price);
        await Assert.That(payment.Moment("paidAt")).IsEqualTo(paid.Json.Moment("paidAt"));
        await Rig.VerifyAsync(alone.Database.Settings);
    }

    [Test]
    public async Task Outbox_SeatTakenOutThenTheRestReleased_HasAnEventOfJustTheseSeatsEach()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);
        var bookingId = held.Value("bookingId");

        (await visitor.ReleaseAsync(held.ReservationOf(2))).Expect(204);
        (await visitor.ReleaseAsync(held.ReservationOf(2))).Expect(204);

        var first = await EventAsync(alone, bookingId, ReservationsTopic, "booking.released.v1");
        first.ExpectMembers("bookingId", "userId", "concertId", "scheduleId", "seats", "at");
        await ExpectOfAsync(first, held, visitor, show, 2);

        (await visitor.ReleaseBookingAsync(bookingId)).Expect(204);
        (await visitor.ReleaseBookingAsync(bookingId)).Expect(204);

        var released = await EventsAsync(alone, bookingId, ReservationsTopic, "booking.released.v1");
        await Assert.That(released).Count().IsEqualTo(2);
        await ExpectOfAsync(released[1], held, visitor, show, 1, 3);
        await Assert.That(released[1].Moment("at")).IsGreaterThan(released[0].Moment("at"));
    }

    [Test, Category("Long"), Explicit]
    public async Task Outbox_ExpiredAfterASeatWasTakenOut_HasAnEventOfTheRest()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(alone).AdmittedAsync(show);
        var held = (await visitor.HoldTogetherAsync(show, 1, 2, 3)).Expect(201);
        var bookingId = held.Value("bookingId");
        (await visitor.ReleaseAsync(held.ReservationOf(1))).Expect(204);

        await alone.Database.LetBookingPassAsync(bookingId);
        await Eventually.GetAsync(() => alone.Database.BookingStatusAsync(bookingId), static status => status == "EXPIRED");

        await Assert.That(await alone.Database.SeatRowsAsync(bookingId)).IsEqualTo("1 RELEASED, 2 EXPIRED, 3 EXPIRED");
        var expired = await EventAsync(alone, bookingId, ReservationsTopic, "booking.expired.v1");
        expired.ExpectMembers("bookingId", "userId", "concertId", "scheduleId", "seats", "at");
        await ExpectOfAsync(expired, held, visitor, show, 2, 3);
        await Assert.That(string.Join(' ', await alone.Database.EventTypesAsync(bookingId)))
            .IsEqualTo("booking.held.v1 booking.released.v1 booking.expired.v1");
    }

    private Task<LoneInstance> StartAsync() => Rig.StartAloneAsync(new Dictionary<string, string?> { [KafkaServers.Setting] = null });

    private static async Task<JsonElement> EventAsync(LoneInstance alone, string bookingId, string topic, string type)
    {
        var published = await EventsAsync(alone, bookingId, topic, type);
        await Assert.That(published).Count().IsEqualTo(1);
        return published[0];
    }

    private static async Task<IReadOnlyList<JsonElement>> EventsAsync(LoneInstance alone, string bookingId, string topic, string type) =>
    [
        .. (await alone.Database.ColumnAsync<string>(
            "SELECT payload FROM outbox WHERE event_key = @id AND topic = @topic AND event_type = @type ORDER BY created_at, event_id",
            ("@id", Guid.Parse(bookingId)), ("@topic", topic), ("@type", type))).Select(static payload => JsonElement.Parse(payload)),
    ];

    private static async Task ExpectOfAsync(
        JsonElement published, Reply held, Visitor visitor, Show show, params IReadOnlyList<int> seatNos)
    {
        await Assert.That(published.Value("bookingId")).IsEqualTo(held.Value("bookingId"));
        await Assert.That(published.Number("userId")).IsEqualTo(visitor.UserId);
        await Assert.That(published.Number("concertId")).IsEqualTo(show.ConcertId);
        await Assert.That(published.Number("scheduleId")).IsEqualTo(show.ScheduleId);
        var seats = published.GetProperty("seats").EnumerateArray().ToList();
        await Assert.That(string.Join(", ", seats.Select(static seat => seat.Number("seatNo")))).IsEqualTo(string.Join(", ", seatNos));
        foreach (var seat in seats)
        {
            seat.ExpectMembers("reservationId", "seatNo", "section", "row", "label", "grade", "price");
            await Assert.That(seat.Value("reservationId")).IsEqualTo(held.ReservationOf(seat.Number("seatNo")));
            await Assert.That(seat.Number("price")).IsEqualTo(show.Price);
        }
    }
}
