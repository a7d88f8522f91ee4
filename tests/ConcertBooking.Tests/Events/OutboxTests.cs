using System.Text.Json;
using ConcertBooking.Servers;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Events;

/// <summary>Without Kafka the events wait in the outbox, where they can be looked at.</summary>
public sealed class OutboxTests : SharedRigTests
{
    private const string ReservationsTopic = "concert-booking.reservations";
    private const string PaymentsTopic = "concert-booking.payments";

    [Test]
    public async Task Outbox_HeldAndPaid_HasBothEvents()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await AdmittedAsync(alone, show);
        (await visitor.ChargeAsync(show.Price)).Expect(201);
        var reservationId = await visitor.HeldAsync(show, seatNo: 2);

        var paid = (await visitor.PayAsync(reservationId)).Expect(201);

        var held = await EventAsync(alone, reservationId, ReservationsTopic, "booking.held.v1");
        held.ExpectMembers("bookingId", "userId", "concertId", "scheduleId", "seats", "heldUntil");
        await ExpectOfAsync(held, reservationId, visitor, show, seatNo: 2);
        held.Moment("heldUntil");
        var payment = await EventAsync(alone, reservationId, PaymentsTopic, "payment.completed.v2");
        payment.ExpectMembers("paymentId", "bookingId", "userId", "concertId", "scheduleId", "seats", "amount", "paidAt");
        await ExpectOfAsync(payment, reservationId, visitor, show, seatNo: 2);
        await Assert.That(payment.Value("paymentId")).IsEqualTo(paid.Value("paymentId"));
        await Assert.That(payment.Number("amount")).IsEqualTo(show.Price);
        await Assert.That(payment.Moment("paidAt")).IsEqualTo(paid.Json.Moment("paidAt"));
        await Assert.That(await alone.Database.EventTypesAsync(reservationId))
            .IsEquivalentTo(["booking.held.v1", "payment.completed.v2"]);
    }

    [Test]
    public async Task Outbox_Released_HasOneEvent()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await AdmittedAsync(alone, show);
        var reservationId = await visitor.HeldAsync(show);

        (await visitor.ReleaseAsync(reservationId)).Expect(204);
        await visitor.ReleaseAsync(reservationId);

        var released = await EventAsync(alone, reservationId, ReservationsTopic, "booking.released.v1");
        await ExpectOfAsync(released, reservationId, visitor, show, seatNo: 1);
        await Assert.That(await alone.Database.EventTypesAsync(reservationId))
            .IsEquivalentTo(["booking.held.v1", "booking.released.v1"]);
    }

    [Test]
    public async Task Outbox_Expired_HasOneEvent()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await AdmittedAsync(alone, show);
        var reservationId = await visitor.HeldAsync(show);
        var next = await AdmittedAsync(alone, show);

        await alone.Database.LetHoldPassAsync(reservationId);
        await next.HeldAsync(show);
        await Eventually.GetAsync(() => alone.Database.StatusAsync(reservationId), status => status == "EXPIRED");

        var expired = await EventAsync(alone, reservationId, ReservationsTopic, "booking.expired.v1");
        await ExpectOfAsync(expired, reservationId, visitor, show, seatNo: 1);
        await Assert.That(await alone.Database.EventTypesAsync(reservationId))
            .IsEquivalentTo(["booking.held.v1", "booking.expired.v1"]);
    }

    [Test]
    public async Task Outbox_Refused_HasNoEvent()
    {
        await using var alone = await StartAsync();
        var show = await alone.Catalogue.AddShowAsync();
        var visitor = await AdmittedAsync(alone, show);
        var reservationId = await visitor.HeldAsync(show);

        (await (await AdmittedAsync(alone, show)).HoldAsync(show)).ExpectProblem(409, "seat_taken");
        (await visitor.PayAsync(reservationId)).ExpectProblem(402, "insufficient_points");
        (await visitor.HoldAsync(show)).Expect(200);

        await Assert.That(await alone.Database.ScalarAsync<long>("SELECT COUNT(*) FROM outbox")).IsEqualTo(1);
    }

    private Task<LoneInstance> StartAsync() => Rig.StartAloneAsync(new Dictionary<string, string?> { [KafkaServers.Setting] = null });

    private Task<Visitor> AdmittedAsync(Instance instance, Show show) => Rig.NewVisitor(instance).AdmittedAsync(show);

    private static async Task<JsonElement> EventAsync(LoneInstance alone, string reservationId, string topic, string type)
    {
        var payloads = await alone.Database.ColumnAsync<string>(
            "SELECT payload FROM outbox WHERE event_key = @id AND topic = @topic AND event_type = @type",
            ("@id", Guid.Parse(reservationId)), ("@topic", topic), ("@type", type));
        await Assert.That(payloads).Count().IsEqualTo(1);
        return JsonElement.Parse(payloads[0]);
    }

    private static async Task ExpectOfAsync(JsonElement published, string reservationId, Visitor visitor, Show show, long seatNo)
    {
        await Assert.That(published.Value("bookingId")).IsEqualTo(reservationId);
        await Assert.That(published.Number("userId")).IsEqualTo(visitor.UserId);
        await Assert.That(published.Number("concertId")).IsEqualTo(show.ConcertId);
        await Assert.That(published.Number("scheduleId")).IsEqualTo(show.ScheduleId);
        var seat = published.GetProperty("seats").EnumerateArray().Single();
        seat.ExpectMembers("reservationId", "seatNo", "section", "row", "label", "grade", "price");
        await Assert.That(seat.Value("reservationId")).IsEqualTo(reservationId);
        await Assert.That(seat.Number("seatNo")).IsEqualTo(seatNo);
        await Assert.That(seat.Number("price")).IsEqualTo(show.Price);
    }
}
