using System.Text.Json;
using ConcertBooking.Tests.Support;

namespace ConcertBooking.Tests.Bookings;

/// <summary>Seats of a hall: their labels, and the prices of their grades, from the hold to the event of the payment.</summary>
public sealed class HallBookingTests : SharedRigTests
{
    [Test]
    public async Task Booking_OfTwoGrades_HasLabelsAndPricesThroughout()
    {
        var show = await Rig.Catalogue.AddHallShowAsync();
        var visitor = await Rig.NewVisitorAsync(show, points: 500_000);

        var held = (await HoldAsync(visitor, show, 2, 4, 7)).Expect(201);

        string[] places = ["2 A 1 3 R 165000", "4 A 2 11 R 165000", "7 B 1 1 S 143000"];
        await Assert.That(Places(held.Json)).IsEquivalentTo(places);
        await Assert.That(held.Number("total")).IsEqualTo(473_000);
        var bookingId = held.Value("bookingId");
        await Assert.That(Places((await HoldAsync(visitor, show, 7, 4, 2)).Expect(200).Json)).IsEquivalentTo(places);
        await Assert.That(Places((await visitor.GetAsync($"/v1/bookings/{bookingId}")).Expect(200).Json)).IsEquivalentTo(places);
        await Assert.That(Places((await visitor.GetAsync("/v1/bookings")).Expect(200).Items().Single())).IsEquivalentTo(places);
        var extended = await visitor.Api.SendAsync(HttpMethod.Post, $"/v1/bookings/{bookingId}/extension", null, visitor.InQueue());
        await Assert.That(Places(extended.Expect(200).Json)).IsEquivalentTo(places);

        var paid = (await visitor.Api.SendAsync(
            HttpMethod.Post, "/v1/payments", $$"""{"bookingId":"{{bookingId}}"}""",
            visitor.InQueue(("Idempotency-Key", Visitor.NewKey())))).Expect(201);
        await Assert.That(paid.Number("amount")).IsEqualTo(473_000);
        await Assert.That(paid.Number("balance")).IsEqualTo(27_000);
        await Rig.VerifyAsync();
    }

    [Test]
    public async Task Hold_OneSeat_CostsThePriceOfItsGrade()
    {
        var show = await Rig.Catalogue.AddHallShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        await Assert.That((await visitor.HoldAsync(show, 1)).Expect(201).Number("price")).IsEqualTo(165_000);
        await Assert.That((await visitor.HoldAsync(show, 12)).Expect(201).Number("price")).IsEqualTo(143_000);
    }

    [Test]
    public async Task Booking_WithoutAHall_HasTheSeatNumberAsLabel()
    {
        var show = await Rig.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitorAsync(show);

        var held = (await HoldAsync(visitor, show, 3)).Expect(201);

        held.Items("seats").Single().ExpectMembers("reservationId", "seatNo", "section", "row", "label", "grade", "price", "status");
        await Assert.That(Places(held.Json)).IsEquivalentTo((string[])["3   3  50000"]);
        await Assert.That(Places((await visitor.GetAsync($"/v1/bookings/{held.Value("bookingId")}")).Json))
            .IsEquivalentTo((string[])["3   3  50000"]);
    }

    /// <summary>The longest names, of characters that JSON escapes, in a booking of the most seats that a setting allows.</summary>
    [Test, Category("Long"), Explicit]
    public async Task Events_OfTheLargestBooking_HaveThePlacesOfAllSeats()
    {
        const int Seats = 50;
        await using var service = await Rig.StartAloneAsync(new Dictionary<string, string?>
        {
            ["ConnectionStrings__Kafka"] = null,
            ["Bookings__MaxSeats"] = $"{Seats}",
            ["Holds__MaxPerUser"] = $"{Seats}",
        });
        var (section, row, grade) = (new string('"', 30), new string('\\', 10), new string('"', 20));
        var (sectionJson, rowJson, gradeJson) =
            (JsonEncodedText.Encode(section), JsonEncodedText.Encode(row), JsonEncodedText.Encode(grade));
        var show = await service.Catalogue.AddHallShowAsync(
            $$"""
            {"name":"h","sections":[
              {"section":"석","grade":"S","rows":[{"row":"1","seats":99950}]},
              {"section":"{{sectionJson}}","grade":"{{gradeJson}}","rows":[{"row":"{{rowJson}}","seats":{{Seats}},"from":999900}]}]}
            """,
            $$"""{"S":1,"{{gradeJson}}":1000000}""", ""","maxPerUser":0""");
        var visitor = await Rig.NewVisitor(service).AdmittedAsync(show, points: 1_000_000);
        for (var charge = 0; charge < 5; charge++)
        {
            (await visitor.ChargeAsync(10_000_000)).Expect(201);
        }

        var held = (await HoldAsync(visitor, show, [.. Enumerable.Range(99_951, Seats)])).Expect(201);
        (await visitor.Api.SendAsync(
            HttpMethod.Post, "/v1/payments", $$"""{"bookingId":"{{held.Value("bookingId")}}"}""",
            visitor.InQueue(("Idempotency-Key", Visitor.NewKey())))).Expect(201);

        foreach (var type in (string[])["booking.held.v1", "payment.completed.v2"])
        {
            var payload = await service.Database.ScalarAsync<string>(
                "SELECT payload FROM outbox WHERE event_type = @type", ("@type", type));
            var seats = JsonElement.Parse(payload!).GetProperty("seats").EnumerateArray().ToList();
            await Assert.That(seats.Count).IsEqualTo(Seats);
            seats[^1].ExpectMembers("reservationId", "seatNo", "section", "row", "label", "grade", "price");
            await Assert.That(seats[^1].Number("seatNo")).IsEqualTo(100_000);
            await Assert.That(seats[^1].Value("section")).IsEqualTo(section);
            await Assert.That(seats[^1].Value("row")).IsEqualTo(row);
            await Assert.That(seats[^1].Value("label")).IsEqualTo("999949");
            await Assert.That(seats[^1].Value("grade")).IsEqualTo(grade);
            await Assert.That(seats[^1].Number("price")).IsEqualTo(1_000_000);
        }
    }

    [Test]
    public async Task Events_WithoutAHall_HaveTheSeatNumberAsLabel()
    {
        await using var service = await Rig.StartAloneAsync(new Dictionary<string, string?> { ["ConnectionStrings__Kafka"] = null });
        var show = await service.Catalogue.AddShowAsync();
        var visitor = await Rig.NewVisitor(service).AdmittedAsync(show);

        (await visitor.HoldAsync(show, seatNo: 7)).Expect(201);

        var payload = await service.Database.ScalarAsync<string>("SELECT payload FROM outbox WHERE event_type = 'booking.held.v1'");
        var seat = JsonElement.Parse(payload!).GetProperty("seats")[0];
        await Assert.That($"{seat.Value("section")}|{seat.Value("row")}|{seat.Value("label")}|{seat.Value("grade")}").IsEqualTo("||7|");
    }

    private static Task<Reply> HoldAsync(Visitor visitor, Show show, params int[] seatNos) => visitor.Api.SendAsync(
        HttpMethod.Post, "/v1/bookings", $$"""{"scheduleId":{{show.ScheduleId}},"seatNos":[{{string.Join(',', seatNos)}}]}""",
        visitor.InQueue());

    private static string[] Places(JsonElement booking) => [.. booking.GetProperty("seats").EnumerateArray().Select(static seat =>
        $"{seat.Number("seatNo")} {seat.Value("section")} {seat.Value("row")} {seat.Value("label")} {seat.Value("grade")} "
            + $"{seat.Number("price")}")];
}
